//! A job: every process that is started in it, and every process that these start, for ever.
#![allow(unsafe_code, reason = "the calls into Windows")]

use std::io;
use std::mem::{offset_of, size_of, size_of_val};
use std::os::windows::io::{AsRawHandle as _, OwnedHandle};
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, HANDLE};
use windows_sys::Win32::System::JobObjects::{
    CreateJobObjectW, IsProcessInJob, JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_PROCESS_ID_LIST, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectBasicProcessIdList,
    JobObjectExtendedLimitInformation, QueryInformationJobObject, SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE};

use crate::win32::{check, own, wait};

/// No process can leave it, and none survives its last handle, which is ours: it ends with the
/// daemon however the daemon ends.
#[derive(Debug)]
pub struct Job(OwnedHandle);

/// Of processes that were not left the time to have one of their own.
pub const EXIT_CODE: i32 = 1;
/// Poll interval: some processes cannot be waited for.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

impl Job {
    /// An empty one.
    pub fn new() -> io::Result<Self> {
        // SAFETY: neither attributes nor a name; the result has no other owner, and no child
        // inherits it.
        let job = Self(unsafe { own(CreateJobObjectW(ptr::null(), ptr::null())) }?);
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        // Crashes without showing the Windows Error Reporting dialog.
        limits.BasicLimitInformation.LimitFlags =
            JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
        // SAFETY: the structure belongs to the class, and is as long as stated.
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

    /// For the process that is to be started in it.
    pub fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// Ends every process of it, and returns whether it is known to be empty. Blocks until they
    /// have let go of all that they held, or for `limit`.
    pub fn end(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let listed = self.ids();
            let is_listed = listed.is_ok();
            let ids = listed.unwrap_or_default();
            // Opened before they are ended: a process that is gone cannot be waited for any more.
            let processes: Vec<OwnedHandle> = ids.iter().filter_map(|&id| self.open(id)).collect();
            // SAFETY: the handle is valid.
            unsafe { TerminateJobObject(self.raw(), EXIT_CODE.cast_unsigned()) };
            if ids.is_empty() {
                return is_listed;
            }
            let left = || deadline.saturating_duration_since(Instant::now());
            for process in &processes {
                wait(process, Some(left()));
            }
            // What does not end by then hangs in the kernel: there is nothing to be done about it.
            if left().is_zero() {
                return false;
            }
            if processes.is_empty() {
                thread::sleep(POLL_INTERVAL);
            }
        }
    }

    /// Of the processes that have not ended.
    fn ids(&self) -> io::Result<Vec<u32>> {
        /// Words before the first id.
        const HEAD: usize = offset_of!(JOBOBJECT_BASIC_PROCESS_ID_LIST, ProcessIdList) / size_of::<usize>();
        let mut words = vec![0_usize; HEAD + 64];
        loop {
            // SAFETY: the buffer is aligned as the structure, whose list may be longer than it
            // says, and is as long as stated.
            let done = check(unsafe {
                QueryInformationJobObject(
                    self.raw(),
                    JobObjectBasicProcessIdList,
                    words.as_mut_ptr().cast(),
                    length_of(words.as_slice()),
                    ptr::null_mut(),
                )
            });
            // SAFETY: the buffer is larger than the structure, which consists of numbers.
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

    /// The process of that id, if it is still one of ours.
    fn open(&self, id: u32) -> Option<OwnedHandle> {
        // SAFETY: the result has no other owner.
        let process =
            unsafe { own(OpenProcess(PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, 0, id)) }.ok()?;
        let mut is_ours = 0;
        // SAFETY: both handles are valid, and the answer may be written.
        check(unsafe { IsProcessInJob(process.as_raw_handle(), self.raw(), &raw mut is_ours) }).ok()?;
        // An id is given away again.
        (is_ours != 0).then_some(process)
    }
}

fn length_of<T: ?Sized>(value: &T) -> u32 {
    u32::try_from(size_of_val(value)).unwrap_or(u32::MAX)
}
