//! Starts a process in a job. It inherits three pipes and nothing else.
//!
//! std cannot start a process in a job. Assigning it later would leave a moment in which the
//! process and its children survive a host process that dies. `PROC_THREAD_ATTRIBUTE_JOB_LIST`
//! (Windows 10) avoids it. If the system refuses that, the process is assigned while it is
//! suspended: a host process that dies in this moment leaves a process that never runs.
#![allow(unsafe_code, reason = "calls the Windows API")]

use std::fs::File;
use std::io;
use std::mem::size_of;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;
use std::time::Duration;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, CREATE_NO_WINDOW, CREATE_SUSPENDED, CREATE_UNICODE_ENVIRONMENT, CreateProcessW,
    DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT, InitializeProcThreadAttributeList,
    LPPROC_THREAD_ATTRIBUTE_LIST, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROC_THREAD_ATTRIBUTE_JOB_LIST,
    PROCESS_CREATION_FLAGS, PROCESS_INFORMATION, ResumeThread, STARTF_USESTDHANDLES, STARTUPINFOEXW, STARTUPINFOW,
    TerminateProcess, UpdateProcThreadAttribute,
};
use windows_sys::core::BOOL;

use super::command_line::{command_line, environment};
use super::job::{Job, TERMINATED_EXIT_CODE};
use crate::process::job_start::{JobStart, JobStartError};
use crate::process::program::Program;
use crate::process::run_tag::RunTag;
use crate::win32::{check, own, wait, wide};

const INHERIT: BOOL = 1;

/// Starts the program in the job, with the three files as its standard input, output and error.
pub fn create(
    program: &Program,
    tag: &RunTag,
    job: &Job,
    way: JobStart,
    standard: [&File; 3],
) -> Result<OwnedHandle, JobStartError> {
    let (flags, job_list) = match way {
        JobStart::InJob => (0, Some(job)),
        JobStart::InJobBrokenAway => (CREATE_BREAKAWAY_FROM_JOB, Some(job)),
        JobStart::SuspendedThenInJob => (CREATE_SUSPENDED, None),
    };
    let (process, thread) = create_with(program, tag, flags, job_list, standard)?;
    if way == JobStart::SuspendedThenInJob
        && let Err(error) = put_into_job(&process, &thread, job)
    {
        terminate(&process);
        return Err(error);
    }
    Ok(process)
}

/// Puts a suspended process into the job and lets it run.
fn put_into_job(process: &OwnedHandle, thread: &OwnedHandle, job: &Job) -> Result<(), JobStartError> {
    job.assign(process).map_err(JobStartError::NotTaken)?;
    // SAFETY: the handle is valid.
    if unsafe { ResumeThread(thread.as_raw_handle()) } == u32::MAX {
        return Err(io::Error::last_os_error().into());
    }
    Ok(())
}

/// Terminates a process that has not run yet. Blocks until it has exited.
fn terminate(process: &OwnedHandle) {
    // SAFETY: the handle is valid.
    unsafe { TerminateProcess(process.as_raw_handle(), TERMINATED_EXIT_CODE.cast_unsigned()) };
    wait(process, Some(TERMINATION_TIMEOUT));
}

/// Time limit for a terminated process to exit.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(1);

/// Creates the process, in the job if there is one. Returns the process and its first thread.
fn create_with(
    program: &Program,
    tag: &RunTag,
    flags: PROCESS_CREATION_FLAGS,
    job: Option<&Job>,
    standard: [&File; 3],
) -> io::Result<(OwnedHandle, OwnedHandle)> {
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
    let jobs = job.map(Job::raw).into_iter().collect::<Vec<_>>();
    let mut attributes = Attributes::new(2)?;
    attributes.set(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &files)?;
    if !jobs.is_empty() {
        attributes.set(PROC_THREAD_ATTRIBUTE_JOB_LIST, &jobs)?;
    }
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
            flags | EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT | CREATE_NO_WINDOW,
            block.as_ptr().cast(),
            cwd.as_ptr(),
            (&raw const startup).cast(),
            &raw mut started,
        )
    })?;
    // SAFETY: the call has returned both handles, and they have no other owner.
    unsafe { Ok((own(started.hProcess)?, own(started.hThread)?)) }
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

#[cfg(test)]
mod tests {
    use super::super::exit::wait_for_exit;
    use super::super::pipe::{input, output};
    use super::*;
    use crate::process::blocking_pump::{Chunk, WaitFor};
    use crate::process::exit::Exit;
    use crate::process::tests::{program, tag, temp_dir};
    use crate::win32::ManualResetEvent;

    const WAYS: [JobStart; 3] = [JobStart::InJob, JobStart::InJobBrokenAway, JobStart::SuspendedThenInJob];

    #[tokio::test]
    async fn starts_a_program_in_the_job_in_every_way() {
        let temp = temp_dir();
        for way in WAYS {
            let job = Job::new().unwrap();
            let ((_stdin, child_stdin), (_stdout, child_stdout)) = (input().unwrap(), output().unwrap());
            let standard = [&child_stdin, &child_stdout, &child_stdout];
            let program = program("save input", temp.path());
            let process = create(&program, &tag(temp.path()), &job, way, standard).unwrap();
            assert!(job.contains(&process), "{way:?}");
            assert!(job.terminate(Duration::from_secs(60)), "{way:?}");
            assert_eq!(wait_for_exit(&process), Exit::Code(TERMINATED_EXIT_CODE), "{way:?}");
        }
    }

    #[tokio::test]
    async fn a_program_that_was_suspended_runs() {
        let temp = temp_dir();
        let job = Job::new().unwrap();
        let ((_stdin, child_stdin), (_stdout, child_stdout)) = (input().unwrap(), output().unwrap());
        let standard = [&child_stdin, &child_stdout, &child_stdout];
        let program = program("exit 7", temp.path());
        let process = create(&program, &tag(temp.path()), &job, JobStart::SuspendedThenInJob, standard).unwrap();
        assert_eq!(wait_for_exit(&process), Exit::Code(7));
    }

    #[tokio::test]
    async fn leaves_no_process_if_the_job_does_not_take_it() {
        let temp = temp_dir();
        for way in WAYS {
            // Another object instead of a job, which no process can be assigned to.
            let job = Job::of(ManualResetEvent::new().unwrap());
            let ((_stdin, child_stdin), (stdout, child_stdout)) = (input().unwrap(), output().unwrap());
            let standard = [&child_stdin, &child_stdout, &child_stdout];
            let program = program("save input", temp.path());
            let error = create(&program, &tag(temp.path()), &job, way, standard).unwrap_err();
            let was_created = matches!(error, JobStartError::NotTaken(_));
            assert_eq!(was_created, way == JobStart::SuspendedThenInJob, "{way:?}: {error:?}");
            // The stream ends, because no process holds the pipe.
            drop(child_stdout);
            let never = ManualResetEvent::new().unwrap();
            let chunk = stdout.read(&mut [0; 64], WaitFor::Bytes, &never).unwrap();
            assert_eq!(chunk, Chunk::End, "{way:?}");
        }
    }
}
