//! Owners and access control lists of files on Windows.
#![allow(unsafe_code, reason = "calls the Windows API")]

use std::io;
use std::mem::offset_of;
use std::os::windows::io::AsRawHandle as _;
use std::ptr;

use windows_sys::Win32::Foundation::{HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1,
    SE_FILE_OBJECT,
};
use windows_sys::Win32::Security::{
    EqualSid, GetTokenInformation, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID, SECURITY_DESCRIPTOR,
    TOKEN_INFORMATION_CLASS, TOKEN_OWNER, TOKEN_QUERY, TOKEN_USER, TokenOwner, TokenUser,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};
use windows_sys::core::PWSTR;

use crate::win32::{check, copy_text, own, wide};

/// Security descriptor of a private directory and of everything that will be made in it.
#[derive(Debug)]
pub struct PrivateDescriptor(PSECURITY_DESCRIPTOR);

impl PrivateDescriptor {
    /// Creates the descriptor for this process's user.
    pub fn new() -> io::Result<Self> {
        let text = wide(private_access(&user_sid()?))?;
        let mut descriptor = ptr::null_mut();
        // SAFETY: the text ends with a NUL, and the result is written by the call.
        check(unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                ptr::null_mut(),
            )
        })?;
        Ok(Self(descriptor))
    }

    /// Returns a pointer that is valid for as long as this value.
    pub const fn as_ptr(&self) -> *const SECURITY_DESCRIPTOR {
        self.0.cast_const().cast()
    }
}

impl Drop for PrivateDescriptor {
    fn drop(&mut self) {
        // SAFETY: the call that made the descriptor leaves it to be freed once.
        unsafe { LocalFree(self.0) };
    }
}

/// Returns the access control list of a private directory, in Microsoft's text form: full access
/// for the user, the owner of each object (`S-1-3-4`), SYSTEM and Administrators. Everything below
/// inherits it, and it inherits nothing itself (`P`).
///
/// The owner alone would not do. The objects of an elevated process belong to Administrators, and
/// Codex's sandbox disables that group for its agent; another form of the sandbox runs the agent as
/// a user of its own. The user alone would not do on a share to which Windows has signed in with
/// another account.
fn private_access(user: &str) -> String {
    let entries = [user, "S-1-3-4", "SY", "BA"].map(|trustee| format!("(A;OICI;FA;;;{trustee})"));
    format!("D:P{}", entries.concat())
}

/// Returns the security identifier of this process's user.
fn user_sid() -> io::Result<String> {
    let words = token_information(TokenUser)?;
    let mut text: PWSTR = ptr::null_mut();
    // SAFETY: the structure holds a pointer to a valid SID at this offset, and the text is written
    // by the call.
    check(unsafe {
        let sid = words.as_ptr().byte_add(offset_of!(TOKEN_USER, User.Sid)).cast::<PSID>().read();
        ConvertSidToStringSidW(sid, &raw mut text)
    })?;
    // SAFETY: the call has made the text, which is not used after this.
    unsafe { take_text(text) }
}

/// Copies the text and frees it.
///
/// # Safety
/// The text ends with a NUL, was made by a call that leaves it to `LocalFree`, and is not used
/// again.
unsafe fn take_text(text: PWSTR) -> io::Result<String> {
    // SAFETY: as the caller promises.
    let copy = unsafe {
        let copy = copy_text(text);
        LocalFree(text.cast());
        copy
    };
    copy.into_string().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Whether the file belongs to the user, or to the default owner of the user's new objects, which
/// is the administrators' group in an elevated process.
pub fn is_own(file: HANDLE) -> bool {
    let mut owner: PSID = ptr::null_mut();
    let mut descriptor = ptr::null_mut();
    // SAFETY: the handle may read the owner. The owner points into the descriptor, which is freed
    // below.
    let result = unsafe {
        GetSecurityInfo(
            file,
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION,
            &raw mut owner,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut descriptor,
        )
    };
    if result != 0 {
        return false;
    }
    let is_owner = |kind, offset| {
        token_information(kind).is_ok_and(|words| {
            // SAFETY: the structure holds a pointer to a valid SID at this offset; the owner is a
            // valid SID too.
            unsafe { EqualSid(owner, words.as_ptr().byte_add(offset).cast::<PSID>().read()) != 0 }
        })
    };
    let is_own =
        is_owner(TokenUser, offset_of!(TOKEN_USER, User.Sid)) || is_owner(TokenOwner, offset_of!(TOKEN_OWNER, Owner));
    // SAFETY: the caller has to free the descriptor, and nothing uses it after this.
    unsafe { LocalFree(descriptor) };
    is_own
}

/// Reads information of this process's token.
fn token_information(kind: TOKEN_INFORMATION_CLASS) -> io::Result<Vec<usize>> {
    let mut token = ptr::null_mut();
    // SAFETY: the pseudo handle of this process is always valid, the token is written by the call,
    // and it has no other owner.
    let token = unsafe {
        check(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token))?;
        own(token)?
    };
    // A SID has at most 68 bytes.
    let mut words = vec![0_usize; 16];
    let mut length = 0;
    // SAFETY: the buffer is as long as stated, and aligned for pointers.
    check(unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            kind,
            words.as_mut_ptr().cast(),
            u32::try_from(size_of_val(words.as_slice())).unwrap_or(u32::MAX),
            &raw mut length,
        )
    })?;
    Ok(words)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use windows_sys::Win32::Security::Authorization::ConvertSecurityDescriptorToStringSecurityDescriptorW;
    use windows_sys::Win32::Security::DACL_SECURITY_INFORMATION;

    use super::super::{create_dir, create_file, open_dir, open_dir_at};
    use super::*;

    /// Returns the text form of the descriptor's access control list.
    fn text_of(descriptor: PSECURITY_DESCRIPTOR) -> String {
        let mut text: PWSTR = ptr::null_mut();
        // SAFETY: the descriptor is valid, and the text is written by the call and used once.
        unsafe {
            check(ConvertSecurityDescriptorToStringSecurityDescriptorW(
                descriptor,
                SDDL_REVISION_1,
                DACL_SECURITY_INFORMATION,
                &raw mut text,
                ptr::null_mut(),
            ))
            .unwrap();
            take_text(text).unwrap()
        }
    }

    /// Reads the access control list of a file.
    fn access_to(file: HANDLE) -> String {
        let mut descriptor = ptr::null_mut();
        let (owner, group, acl, audit) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: the handle may read its descriptor, which the call makes.
        let result = unsafe {
            GetSecurityInfo(
                file,
                SE_FILE_OBJECT,
                DACL_SECURITY_INFORMATION,
                owner,
                group,
                acl,
                audit,
                &raw mut descriptor,
            )
        };
        assert_eq!(result, 0);
        let text = text_of(descriptor);
        // SAFETY: the call leaves the descriptor to be freed once.
        unsafe { LocalFree(descriptor) };
        text
    }

    /// Returns the trustees of an access control list in text form.
    fn trustees(access: &str) -> Vec<&str> {
        let entries = access.split('(').skip(1);
        entries.map(|entry| entry.trim_end_matches(')').rsplit(';').next().unwrap()).collect()
    }

    /// Whether this Windows keeps access control lists. wine derives them from the file's mode.
    fn keeps_access(dir: &Path) -> bool {
        let handle = open_dir(dir).unwrap();
        let made = create_dir(&handle, OsStr::new("kept")).unwrap();
        access_to(made.dir.as_raw_handle()).starts_with("D:P")
    }

    #[test]
    fn a_private_descriptor_has_the_user_the_owner_the_system_and_administrators() {
        let descriptor = PrivateDescriptor::new().unwrap();
        let user = user_sid().unwrap();
        assert!(user.starts_with("S-1-5-"), "{user}");
        let access = text_of(descriptor.0).replace(";OW)", ";S-1-3-4)");
        assert_eq!(access, private_access(&user));
    }

    #[test]
    fn no_other_user_has_access_to_a_created_directory() {
        let temp = tempfile::tempdir().unwrap();
        let parent = open_dir(temp.path()).unwrap();
        let made = create_dir(&parent, OsStr::new("made")).unwrap();
        create_file(&made, OsStr::new("file"), b"").unwrap();
        create_dir(&made, OsStr::new("below")).unwrap();
        let user = user_sid().unwrap();
        let below = open_dir_at(&made, OsStr::new("below")).unwrap();
        for dir in [&made, &below] {
            let access = access_to(dir.dir.as_raw_handle());
            let others = trustees(&access).into_iter().filter(|one| ![&user, "OW", "SY", "BA"].contains(one));
            assert_eq!(others.collect::<Vec<_>>(), [""; 0], "{access}");
            assert!(!access.is_empty());
        }
        if keeps_access(temp.path()) {
            let access = access_to(made.dir.as_raw_handle()).replace(";OW)", ";S-1-3-4)");
            assert_eq!(access, private_access(&user));
        }
    }
}
