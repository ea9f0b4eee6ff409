//! Starts a process in a job. It inherits three pipes and nothing else.
//!
//! std cannot start a process in a job. Assigning it later would leave a moment in which the
//! process and its children survive a host process that dies. `PROC_THREAD_ATTRIBUTE_JOB_LIST`
//! (Windows 10) avoids it.
#![allow(unsafe_code, reason = "calls the Windows API")]

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
use crate::process::program::Program;
use crate::process::run_tag::RunTag;
use crate::win32::{check, own, wide};

const INHERIT: BOOL = 1;

/// Starts the program with the three files as its standard input, output and error.
pub fn create(program: &Program, tag: &RunTag, job: &Job, standard: [&File; 3]) -> io::Result<OwnedHandle> {
    // `CreateProcessW` would pass a batch file to `cmd.exe`, which has other quoting rules
    // (CVE-2024-24576).
    let is_batch =
        |extension: &std::ffi::OsStr| ["bat", "cmd"].iter().any(|batch| extension.eq_ignore_ascii_case(batch));
    if program.path.extension().is_some_and(is_batch) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "a batch file is not started"));
    }
    let path = wide(&program.path)?;
    let mut line = command_line(&program.path, &program.args)?;
    let given = program.env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
    let block = environment(given.chain([(tag.name.as_ref(), tag.value.as_ref())]))?;
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
    // SAFETY: all strings end with a NUL, the block with two; the line is mutable, as required. The
    // structures match the flags, and with everything they point to they outlive the call.
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
    // SAFETY: the call has returned both handles, and they have no other owner.
    unsafe {
        drop(own(started.hThread));
        own(started.hProcess)
    }
}

/// Attribute list for `CreateProcessW`.
struct Attributes {
    /// `usize` for the alignment of the system's data.
    list: Vec<usize>,
}

impl Attributes {
    fn new(count: u32) -> io::Result<Self> {
        let mut bytes = 0;
        // SAFETY: without a list the call only returns the length, and reports failure.
        unsafe { InitializeProcThreadAttributeList(ptr::null_mut(), count, 0, &raw mut bytes) };
        let mut list = vec![0; bytes.div_ceil(size_of::<usize>())];
        // SAFETY: the list has the required length.
        check(unsafe { InitializeProcThreadAttributeList(list.as_mut_ptr().cast(), count, 0, &raw mut bytes) })?;
        Ok(Self { list })
    }

    fn raw(&mut self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.list.as_mut_ptr().cast()
    }

    /// Adds an attribute. The list keeps a pointer to `handles`, which must live until the last use
    /// of the list.
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
        // SAFETY: the list is initialised.
        unsafe { DeleteProcThreadAttributeList(self.raw()) };
    }
}
