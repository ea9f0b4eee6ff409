//! Directories and files on Windows, relative to the handle of a directory.
#![allow(unsafe_code, reason = "calls the Windows API")]

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::mem::{offset_of, size_of};
use std::os::windows::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::{AsRawHandle as _, OwnedHandle};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_CREATE, FILE_DIRECTORY_FILE, FILE_NON_DIRECTORY_FILE, FILE_OPEN, FILE_OPEN_REPARSE_POINT,
    FILE_SYNCHRONOUS_IO_NONALERT, NTCREATEFILE_CREATE_DISPOSITION, NTCREATEFILE_CREATE_OPTIONS, NtCreateFile,
};
use windows_sys::Win32::Foundation::{
    ERROR_ALREADY_EXISTS, ERROR_NO_MORE_FILES, GENERIC_READ, GENERIC_WRITE, GetLastError, HANDLE, NTSTATUS,
    RtlNtStatusToDosError, STATUS_OBJECT_NAME_NOT_FOUND, UNICODE_STRING,
};
use windows_sys::Win32::Security::SECURITY_DESCRIPTOR;
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_ID_BOTH_DIR_INFO, FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE,
    FILE_SHARE_READ, FILE_SHARE_WRITE, FileIdBothDirectoryInfo, GetFileInformationByHandle,
    GetFileInformationByHandleEx, SYNCHRONIZE,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;
use windows_sys::Win32::System::Threading::CreateMutexW;

use super::security::{self, PrivateDescriptor};
use crate::files::in_use::is_in_use;
use crate::files::read_error::ReadError;
use crate::files::stamp::Stamp;
use crate::win32::{check, own, wide};

/// Open directory, and its lock once it is taken.
#[derive(Debug)]
pub struct Handle {
    pub dir: File,
    lock: OnceLock<OwnedHandle>,
}

pub fn open_dir(path: &Path) -> io::Result<Handle> {
    // Backup semantics are needed to open a directory. Opens a link itself, not its target.
    let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    directory(OpenOptions::new().read(true).custom_flags(flags).open(path)?)
}

fn directory(dir: File) -> io::Result<Handle> {
    let attributes = information(dir.as_raw_handle())?.dwFileAttributes;
    if attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT) != FILE_ATTRIBUTE_DIRECTORY {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(Handle { dir, lock: OnceLock::new() })
}

pub fn open_unlisted(path: &Path) -> io::Result<Handle> {
    open_dir(path)
}

pub fn open_dir_at(handle: &Handle, name: &OsStr) -> io::Result<Handle> {
    directory(open_at(handle, name, GENERIC_READ).map_err(error_of)?.into())
}

pub fn create_dir(handle: &Handle, name: &OsStr) -> io::Result<Handle> {
    let descriptor = PrivateDescriptor::new()?;
    let kind = (FILE_CREATE, FILE_DIRECTORY_FILE);
    directory(create_at(handle, name, GENERIC_READ, kind, descriptor.as_ptr()).map_err(error_of)?.into())
}

pub fn create_file(handle: &Handle, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
    let kind = (FILE_CREATE, FILE_NON_DIRECTORY_FILE);
    let file = create_at(handle, name, GENERIC_WRITE, kind, ptr::null()).map_err(error_of)?;
    File::from(file).write_all(bytes)
}

pub fn id(handle: &Handle) -> io::Result<u64> {
    let information = information(handle.dir.as_raw_handle())?;
    Ok(join(information.nFileIndexHigh, information.nFileIndexLow))
}

pub const fn fd_path(_handle: &Handle) -> Option<PathBuf> {
    None
}

/// Opens directories too. The caller checks that the file is regular.
pub fn open_followed(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)
}

/// Windows has no locks on directories. A named mutex serves as one: it exists while a handle to it
/// is open. Its name does not depend on the directory's file index, which a rename changes on FAT
/// and which another directory may then get.
pub fn lock(handle: &Handle, name: &str) -> io::Result<()> {
    let name = format!(r"Global\codex-image-{name}");
    // SAFETY: no attributes, and a name that ends with a NUL; the result has no other owner. For an
    // existing mutex the call returns a valid handle and sets the last error.
    let (lock, error) = unsafe { (own(CreateMutexW(ptr::null(), 0, wide(&name)?.as_ptr())), GetLastError()) };
    let lock = lock?;
    if error == ERROR_ALREADY_EXISTS {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    // Never set before: a second call would have found the mutex.
    let _ = handle.lock.set(lock);
    Ok(())
}

pub fn is_own(handle: &Handle) -> bool {
    security::is_own(handle.dir.as_raw_handle())
}

pub fn names(handle: &Handle) -> io::Result<Vec<OsString>> {
    // Opens a new handle, since a handle remembers the position in its listing.
    let listing = open_at(handle, OsStr::new(""), FILE_LIST_DIRECTORY).map_err(error_of)?;
    let mut names = Vec::new();
    // `u64` for the alignment of the entries.
    let mut words = vec![0_u64; 2048];
    let length = u32::try_from(size_of_val(words.as_slice())).unwrap_or(u32::MAX);
    loop {
        // SAFETY: the buffer is as long as stated.
        let more = check(unsafe {
            GetFileInformationByHandleEx(
                listing.as_raw_handle(),
                FileIdBothDirectoryInfo,
                words.as_mut_ptr().cast(),
                length,
            )
        });
        match more {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(ERROR_NO_MORE_FILES.cast_signed()) => return Ok(names),
            Err(error) => return Err(error),
        }
        let mut entry = words.as_ptr().cast::<FILE_ID_BOTH_DIR_INFO>();
        loop {
            // SAFETY: the call has filled the buffer with aligned entries, each with its name and
            // the offset of the next one.
            let (name, next) = unsafe {
                let name = entry.byte_add(offset_of!(FILE_ID_BOTH_DIR_INFO, FileName)).cast::<u16>();
                let units = (*entry).FileNameLength as usize / size_of::<u16>();
                (std::slice::from_raw_parts(name, units), (*entry).NextEntryOffset)
            };
            let name = OsString::from_wide(name);
            if name != "." && name != ".." {
                names.push(name);
            }
            if next == 0 {
                break;
            }
            // SAFETY: as above.
            entry = unsafe { entry.byte_add(next as usize) };
        }
    }
}

pub fn stamp(handle: &Handle, name: &OsStr) -> Option<Stamp> {
    let file = open_at(handle, name, FILE_READ_ATTRIBUTES).ok()?;
    information(file.as_raw_handle()).ok().map(|information| stamp_of(&information))
}

fn stamp_of(information: &BY_HANDLE_FILE_INFORMATION) -> Stamp {
    /// From 1601 to 1970, in units of 100 ns.
    const EPOCH: i128 = 116_444_736_000_000_000;
    let modified = join(information.ftLastWriteTime.dwHighDateTime, information.ftLastWriteTime.dwLowDateTime);
    let size = join(information.nFileSizeHigh, information.nFileSizeLow);
    Stamp { size, modified: (i128::from(modified) - EPOCH) * 100 }
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Does not check the file's owner: on Windows the access control list that it inherits from the
/// directory decides who can write it.
pub fn open_file(handle: &Handle, name: &OsStr) -> Result<(File, u64), ReadError> {
    let file = match open_at(handle, name, GENERIC_READ) {
        Ok(file) => File::from(file),
        Err(STATUS_OBJECT_NAME_NOT_FOUND) => return Err(ReadError::Absent),
        Err(status) if is_in_use(&error_of(status)) => return Err(ReadError::InUse),
        Err(_) => return refuse("it cannot be opened"),
    };
    let Ok(information) = information(file.as_raw_handle()) else { return refuse("it cannot be examined") };
    if information.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        return refuse("a symbolic link");
    }
    if information.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY != 0 {
        return refuse("a directory");
    }
    if information.nNumberOfLinks != 1 {
        return refuse("a hard link");
    }
    Ok((file, stamp_of(&information).size))
}

fn refuse<T>(what: &'static str) -> Result<T, ReadError> {
    Err(ReadError::NotRegular(what))
}

/// Opens an entry of the directory with full sharing. Opens a link itself, not its target, and the
/// directory again if the name is empty.
pub fn open_at(handle: &Handle, name: &OsStr, access: u32) -> Result<OwnedHandle, NTSTATUS> {
    create_at(handle, name, access, (FILE_OPEN, FILE_OPEN_REPARSE_POINT), ptr::null())
}

/// Opens or creates an entry of the directory. Without a descriptor it inherits its access control
/// list.
fn create_at(
    handle: &Handle,
    name: &OsStr,
    access: u32,
    (disposition, options): (NTCREATEFILE_CREATE_DISPOSITION, NTCREATEFILE_CREATE_OPTIONS),
    descriptor: *const SECURITY_DESCRIPTOR,
) -> Result<OwnedHandle, NTSTATUS> {
    let units: Vec<u16> = name.encode_wide().collect();
    let length = u16::try_from(size_of_val(units.as_slice())).unwrap_or(u16::MAX);
    let name = UNICODE_STRING { Length: length, MaximumLength: length, Buffer: units.as_ptr().cast_mut() };
    let attributes = OBJECT_ATTRIBUTES {
        Length: u32::try_from(size_of::<OBJECT_ATTRIBUTES>()).unwrap_or(u32::MAX),
        RootDirectory: handle.dir.as_raw_handle(),
        ObjectName: &raw const name,
        SecurityDescriptor: descriptor,
        ..OBJECT_ATTRIBUTES::default()
    };
    let mut file: HANDLE = ptr::null_mut();
    let mut status = IO_STATUS_BLOCK::default();
    // SAFETY: everything pointed to outlives the call, which reads no more of the name than its
    // length.
    let result = unsafe {
        NtCreateFile(
            &raw mut file,
            access | SYNCHRONIZE,
            &raw const attributes,
            &raw mut status,
            ptr::null(),
            0,
            FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
            disposition,
            options | FILE_SYNCHRONOUS_IO_NONALERT,
            ptr::null(),
            0,
        )
    };
    if result < 0 {
        return Err(result);
    }
    // SAFETY: a valid handle without another owner.
    unsafe { own(file) }.map_err(|_| result)
}

pub fn error_of(status: NTSTATUS) -> io::Error {
    // SAFETY: the call has no preconditions.
    io::Error::from_raw_os_error(unsafe { RtlNtStatusToDosError(status) }.cast_signed())
}

fn information(handle: HANDLE) -> io::Result<BY_HANDLE_FILE_INFORMATION> {
    let mut information = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is valid, and the structure may be written.
    check(unsafe { GetFileInformationByHandle(handle, &raw mut information) })?;
    Ok(information)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a file that cannot be opened again until it is closed.
    fn create_unshared(path: &Path) -> File {
        OpenOptions::new().write(true).create_new(true).share_mode(0).open(path).unwrap()
    }

    #[test]
    fn an_unshared_file_is_in_use_until_it_is_closed() {
        let temp = tempfile::tempdir().unwrap();
        let unshared = create_unshared(&temp.path().join("unshared"));
        let dir = open_dir(temp.path()).unwrap();
        assert!(matches!(open_file(&dir, OsStr::new("unshared")), Err(ReadError::InUse)));
        drop(unshared);
        assert!(open_file(&dir, OsStr::new("unshared")).is_ok());
    }

    #[test]
    fn a_lock_belongs_to_its_name() {
        let temp = tempfile::tempdir().unwrap();
        let name = temp.path().file_name().unwrap().to_str().unwrap();
        let open = || open_dir(temp.path()).unwrap();
        let (first, second) = (open(), open());
        lock(&first, name).unwrap();
        lock(&second, &format!("{name}-other")).unwrap();
        let beside = create_dir(&first, OsStr::new("beside")).unwrap();
        assert!(lock(&beside, name).is_err(), "another directory does not matter");
        drop(first);
        lock(&beside, name).unwrap();
    }
}
