//! Starting a process in a job, with three pipes and nothing else of ours.
//!
//! std can start a process, but not in a job: it would have to be put there afterwards, and until
//! then the process, or all that it has started, would survive a daemon that dies.
//! `PROC_THREAD_ATTRIBUTE_JOB_LIST` (Windows 10) leaves no such moment.
#![allow(unsafe_code, reason = "the calls into Windows")]

use std::fs::File;
use std::io;
use std::mem::size_of;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Threading::{
    CREATE_NO_WINDOW, CREATE_UNICODE_ENVIRONMENT, CreateProcessW, DeleteProcThreadAttributeList,
    EXTENDED_STARTUPINFO_PRESENT, InitializeProcThreadAttributeList, LPPROC_THREAD_ATTRIBUTE_LIST,
    PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROC_THREAD_ATTRIBUTE_JOB_LIST, PROCESS_INFORMATION, STARTF_USESTDHANDLES,
    STARTUPINFOEXW, STARTUPINFOW, UpdateProcThreadAttribute,
};
use windows_sys::core::BOOL;

use super::command_line::{command_line, environment};
use super::job::Job;
use crate::process::marker::Marker;
use crate::process::program::Program;
use crate::win32::{check, own, wide};

const INHERIT: BOOL = 1;

/// Starts the program. It inherits the three files, its standard input, output and error, and
/// nothing else.
pub fn create(program: &Program, marker: &Marker, job: &Job, standard: [&File; 3]) -> io::Result<OwnedHandle> {
    // `CreateProcessW` would give it to `cmd.exe`, which has quoting rules of its own
    // (CVE-2024-24576).
    let is_batch =
        |extension: &std::ffi::OsStr| ["bat", "cmd"].iter().any(|batch| extension.eq_ignore_ascii_case(batch));
    if program.path.extension().is_some_and(is_batch) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "a batch file is not started"));
    }
    let path = wide(&program.path)?;
    let mut line = command_line(&program.path, &program.args)?;
    let given = program.env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
    let block = environment(given.chain([(marker.name.as_ref(), marker.value.as_ref())]))?;
    let cwd = wide(&program.cwd)?;

    let files = standard.map(AsRawHandle::as_raw_handle);
    let jobs = [job.raw()];
    let mut attributes = Attributes::new(2)?;
    attributes.set(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &files)?;
    attributes.set(PROC_THREAD_ATTRIBUTE_JOB_LIST, &jobs)?;
    let startup = STARTUPINFOEXW {
        StartupInfo: STARTUPINFOW {
            cb: u32::try_from(size_of::<STARTUPINFOEXW>()).unwrap_or(u32::MAX),
            dwFlags: STARTF_USESTDHANDLES,
            hStdInput: files[0],
            hStdOutput: files[1],
            hStdError: files[2],
            ..STARTUPINFOW::default()
        },
        lpAttributeList: attributes.raw(),
    };
    let mut started = PROCESS_INFORMATION::default();
    // SAFETY: all texts end with NULs, the block with two; the line may be written to, as it must.
    // The structures are what the flags say, and with all that they point to they live longer than
    // the call.
    check(unsafe {
        CreateProcessW(
            path.as_ptr(),
            line.as_mut_ptr(),
            ptr::null(),
            ptr::null(),
            INHERIT,
            EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT | CREATE_NO_WINDOW,
            block.as_ptr().cast(),
            cwd.as_ptr(),
            (&raw const startup).cast(),
            &raw mut started,
        )
    })?;
    // SAFETY: both handles are ours now.
    unsafe {
        drop(own(started.hThread));
        own(started.hProcess)
    }
}

/// What a process is started with beside the usual.
struct Attributes {
    /// Words, for the alignment of what the system keeps in it.
    list: Vec<usize>,
}

impl Attributes {
    fn new(count: u32) -> io::Result<Self> {
        let mut bytes = 0;
        // SAFETY: without a list only the length is asked for. That "fails".
        unsafe { InitializeProcThreadAttributeList(ptr::null_mut(), count, 0, &raw mut bytes) };
        let mut list = vec![0; bytes.div_ceil(size_of::<usize>())];
        // SAFETY: the list is as long as was asked for.
        check(unsafe { InitializeProcThreadAttributeList(list.as_mut_ptr().cast(), count, 0, &raw mut bytes) })?;
        Ok(Self { list })
    }

    fn raw(&mut self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.list.as_mut_ptr().cast()
    }

    /// The list only points to `handles`, which therefore must live as long as the list is used.
    fn set(&mut self, attribute: u32, handles: &[HANDLE]) -> io::Result<()> {
        // SAFETY: the list is initialised, and both attributes are lists of handles.
        check(unsafe {
            UpdateProcThreadAttribute(
                self.raw(),
                0,
                attribute as usize,
                handles.as_ptr().cast(),
                size_of_val(handles),
                ptr::null_mut(),
                ptr::null(),
            )
        })
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: it was initialised.
        unsafe { DeleteProcThreadAttributeList(self.raw()) };
    }
}
