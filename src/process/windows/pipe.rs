//! Pipes to a child: overlapped on this side, synchronous on the child's.
#![allow(unsafe_code, reason = "calls the Windows API")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::{AsRawHandle as _, IntoRawHandle as _, OwnedHandle};
use std::ptr;

use tokio::net::windows::named_pipe::NamedPipeServer;
use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_IO_PENDING, ERROR_OPERATION_ABORTED, GENERIC_READ, GENERIC_WRITE, GetLastError,
    HANDLE_FLAG_INHERIT, SetHandleInformation, WAIT_OBJECT_0, WIN32_ERROR,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_FLAGS_AND_ATTRIBUTES, FILE_READ_ATTRIBUTES,
    PIPE_ACCESS_INBOUND, PIPE_ACCESS_OUTBOUND, ReadFile,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_WAIT, PeekNamedPipe,
};
use windows_sys::Win32::System::Threading::{INFINITE, WaitForMultipleObjects};
use windows_sys::core::BOOL;

use crate::process::blocking_pump::{Chunk, WaitFor};
use crate::process::pump::READ_BYTES;
use crate::win32::{ManualResetEvent, check, own, wide};

/// Writing end of the pipe from which a child reads.
pub type Input = NamedPipeServer;

/// Reading end of a pipe into which a child writes.
#[derive(Debug)]
pub struct Output {
    pipe: OwnedHandle,
    /// Set when a read has completed.
    ready: ManualResetEvent,
}

/// Creates a pipe from which a child reads, and returns both ends. Needs a tokio runtime with I/O.
pub fn input() -> io::Result<(Input, File)> {
    let (ours, theirs) = pair(PIPE_ACCESS_OUTBOUND, GENERIC_READ)?;
    // SAFETY: the server end of an overlapped pipe, without another owner.
    let ours = unsafe { NamedPipeServer::from_raw_handle(ours.into_raw_handle()) }?;
    Ok((ours, theirs))
}

/// Creates a pipe into which a child writes, and returns both ends.
pub fn output() -> io::Result<(Output, File)> {
    // The C runtimes of some programs read the attributes of their standard output.
    let (pipe, theirs) = pair(PIPE_ACCESS_INBOUND, GENERIC_WRITE | FILE_READ_ATTRIBUTES)?;
    Ok((Output { pipe, ready: ManualResetEvent::new()? }, theirs))
}

/// Creates a pipe and returns this side's end and the child's.
///
/// Only the child's end is inheritable. A program that is started at the same moment, such as one
/// of JavaScript's, inherits it too, so the end of the stream does not tell that the child has
/// exited.
fn pair(direction: FILE_FLAGS_AND_ATTRIBUTES, access: u32) -> io::Result<(OwnedHandle, File)> {
    // Anonymous pipes cannot be overlapped, so this one has a random name for a single connection.
    let number = getrandom::u64().map_err(|_| io::Error::other("the system has no random numbers"))?;
    let name = format!(r"\\.\pipe\codex-image-{}-{number:016x}", std::process::id());
    let size = u32::try_from(READ_BYTES).unwrap_or(u32::MAX);
    // SAFETY: the name ends with a NUL; the result has no other owner.
    let ours = unsafe {
        own(CreateNamedPipeW(
            wide(&name)?.as_ptr(),
            direction | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            1,
            size,
            size,
            0,
            ptr::null(),
        ))
    }?;
    let theirs = OpenOptions::new().access_mode(access).open(&name)?;
    // SAFETY: the handle is valid.
    check(unsafe { SetHandleInformation(theirs.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) })?;
    Ok((ours, theirs))
}

/// Makes `GetOverlappedResult` wait for the operation.
const WAIT: BOOL = 1;

impl Output {
    /// Waits for bytes and reads them. `tree_dead` is set when the tree is dead.
    pub(super) fn read(&self, buffer: &mut [u8], wait_for: WaitFor, tree_dead: &ManualResetEvent) -> io::Result<Chunk> {
        let may_stop = wait_for == WaitFor::BytesOrDeath;
        if may_stop && tree_dead.is_set() {
            return Ok(Chunk::TreeIsDead);
        }
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let mut reading = OVERLAPPED { hEvent: self.ready.raw(), ..OVERLAPPED::default() };
        // SAFETY: the pipe is overlapped. The buffer and the structure outlive the operation,
        // because every path below waits for its end.
        let started = unsafe {
            ReadFile(self.pipe.as_raw_handle(), buffer.as_mut_ptr(), length, ptr::null_mut(), &raw mut reading)
        };
        if started == 0 {
            match last_error() {
                ERROR_IO_PENDING if may_stop => {
                    let either = [self.ready.raw(), tree_dead.raw()];
                    // SAFETY: two valid handles. The call returns the index of the first one that
                    // is set.
                    let first = unsafe { WaitForMultipleObjects(2, either.as_ptr(), 0, INFINITE) };
                    if first != WAIT_OBJECT_0 {
                        // SAFETY: both are valid. Cancelling a completed operation has no effect.
                        unsafe { CancelIoEx(self.pipe.as_raw_handle(), &raw const reading) };
                    }
                }
                ERROR_IO_PENDING => {}
                ERROR_BROKEN_PIPE => return Ok(Chunk::End),
                error => return Err(io::Error::from_raw_os_error(error.cast_signed())),
            }
        }
        let mut count = 0;
        // SAFETY: the pipe and the structure belong to the operation, and the count is written by
        // the call.
        let result =
            unsafe { GetOverlappedResult(self.pipe.as_raw_handle(), &raw const reading, &raw mut count, WAIT) };
        match (result, last_error()) {
            (0, ERROR_BROKEN_PIPE) => Ok(Chunk::End),
            (0, ERROR_OPERATION_ABORTED) if may_stop => Ok(Chunk::TreeIsDead),
            (0, error) => Err(io::Error::from_raw_os_error(error.cast_signed())),
            _ => Ok(Chunk::Bytes(count as usize)),
        }
    }

    /// Returns the number of bytes in the pipe.
    pub(super) fn held(&self) -> io::Result<usize> {
        let mut held = 0;
        // SAFETY: the handle is valid; no buffer, and the count is written by the call.
        check(unsafe {
            PeekNamedPipe(
                self.pipe.as_raw_handle(),
                ptr::null_mut(),
                0,
                ptr::null_mut(),
                &raw mut held,
                ptr::null_mut(),
            )
        })?;
        Ok(held as usize)
    }
}

fn last_error() -> WIN32_ERROR {
    // SAFETY: the call has no preconditions.
    unsafe { GetLastError() }
}
