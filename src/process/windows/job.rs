//! Job object: holds a process and all of its descendants.
#![allow(unsafe_code, reason = "calls the Windows API")]

use std::io;
use std::mem::{offset_of, size_of, size_of_val};
use std::os::windows::io::{AsRawHandle as _, OwnedHandle};
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, HANDLE};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, IsProcessInJob, JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_BASIC_PROCESS_ID_LIST, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectBasicProcessIdList, JobObjectExtendedLimitInformation, QueryInformationJobObject, SetInformationJobObject,
    TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE};

use crate::win32::{check, own, wait};

/// Job that no process can leave. Its processes die with its last handle, which this process holds,
/// so they do not survive the host process.
#[derive(Debug)]
pub struct Job(OwnedHandle);

/// Exit code of terminated processes.
pub const TERMINATED_EXIT_CODE: i32 = 1;
/// Pause before the next attempt if no process could be opened to wait for it.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

impl Job {
    /// Creates an empty job.
    pub fn new() -> io::Result<Self> {
        // SAFETY: neither attributes nor a name; the result has no other owner, and no child
        // inherits it.
        let job = Self(unsafe { own(CreateJobObjectW(ptr::null(), ptr::null())) }?);
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        // Crashes without showing the Windows Error Reporting dialog.
        limits.BasicLimitInformation.LimitFlags =
            JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
        // SAFETY: the structure belongs to the class and has the stated length.
        check(unsafe {
            SetInformationJobObject(
                job.raw(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                length_of(&limits),
            )
        })?;
        Ok(job)
    }

    /// Uses another object as a job.
    #[cfg(test)]
    pub fn of(object: crate::win32::ManualResetEvent) -> Self {
        Self(object.into_handle())
    }

    /// Returns the handle for starting a process in the job.
    pub fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// Puts a process into the job, with all that it starts from now on.
    pub fn assign(&self, process: &OwnedHandle) -> io::Result<()> {
        // SAFETY: both handles are valid.
        check(unsafe { AssignProcessToJobObject(self.raw(), process.as_raw_handle()) })
    }

    /// Whether the process is in the job.
    pub fn contains(&self, process: &OwnedHandle) -> bool {
        let mut is_in_job = 0;
        // SAFETY: both handles are valid, and the result is written by the call.
        check(unsafe { IsProcessInJob(process.as_raw_handle(), self.raw(), &raw mut is_in_job) }).is_ok()
            && is_in_job != 0
    }

    /// Terminates every process of the job. Blocks until they have exited and released their
    /// resources, for at most `timeout`. Returns whether the job is known to be empty.
    pub fn terminate(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        loop {
            let listed = self.ids();
            let is_listed = listed.is_ok();
            let ids = listed.unwrap_or_default();
            // Opens the processes before terminating them, since an exited process cannot be
            // opened.
            let processes: Vec<OwnedHandle> = ids.iter().filter_map(|&id| self.open(id)).collect();
            // SAFETY: the handle is valid.
            unsafe { TerminateJobObject(self.raw(), TERMINATED_EXIT_CODE.cast_unsigned()) };
            if ids.is_empty() {
                return is_listed;
            }
            let left = || deadline.saturating_duration_since(Instant::now());
            for process in &processes {
                wait(process, Some(left()));
            }
            // A process that has not exited by now hangs in the kernel and cannot be killed.
            if left().is_zero() {
                return false;
            }
            if processes.is_empty() {
                thread::sleep(POLL_INTERVAL);
            }
        }
    }

    /// Lists the ids of the processes that have not exited.
    fn ids(&self) -> io::Result<Vec<u32>> {
        /// Number of words before the first id.
        const HEAD: usize = offset_of!(JOBOBJECT_BASIC_PROCESS_ID_LIST, ProcessIdList) / size_of::<usize>();
        let mut words = vec![0_usize; HEAD + 64];
        loop {
            // SAFETY: the buffer is aligned for the structure, which may have a longer list than
            // declared, and has the stated length.
            let done = check(unsafe {
                QueryInformationJobObject(
                    self.raw(),
                    JobObjectBasicProcessIdList,
                    words.as_mut_ptr().cast(),
                    length_of(words.as_slice()),
                    ptr::null_mut(),
                )
            });
            // SAFETY: the buffer is larger than the structure, which consists of integers.
            let list = unsafe { &*words.as_ptr().cast::<JOBOBJECT_BASIC_PROCESS_ID_LIST>() };
            match done {
                Ok(()) => {
                    let ids = words[HEAD..].iter().take(list.NumberOfProcessIdsInList as usize);
                    return Ok(ids.filter_map(|&id| u32::try_from(id).ok()).collect());
                }
                Err(error) if error.raw_os_error() == Some(ERROR_MORE_DATA.cast_signed()) => {
                    words.resize(words.len() * 2, 0);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Opens the process with this id if it belongs to the job.
    fn open(&self, id: u32) -> Option<OwnedHandle> {
        // SAFETY: the result has no other owner.
        let process =
            unsafe { own(OpenProcess(PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, 0, id)) }.ok()?;
        // The id may have been reused by a process outside of the job.
        self.contains(&process).then_some(process)
    }
}

fn length_of<T: ?Sized>(value: &T) -> u32 {
    u32::try_from(size_of_val(value)).unwrap_or(u32::MAX)
}
