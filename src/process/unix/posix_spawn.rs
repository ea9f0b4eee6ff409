//! Starts a program on macOS, which inherits three files and nothing else.
//!
//! macOS cannot create a descriptor and mark it close-on-exec in one step, so without
//! `POSIX_SPAWN_CLOEXEC_DEFAULT` a child inherits a connection that Node is just accepting, or a
//! pipe of another child (rust-lang/rust#95584). std has no access to this flag. libuv sets it for
//! the children of JavaScript (`src/unix/process.c`). Everything else is as in std.
#![allow(unsafe_code, reason = "calls functions that no safe library offers")]

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, c_char, c_int, c_short};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::Pid;

use crate::process::program::Program;
use crate::process::run_tag::RunTag;

/// Closes every file in the child that is none of its standard streams (XNU 11417,
/// `exec_handle_file_actions` in `bsd/kern/kern_exec.c`).
#[cfg(target_os = "macos")]
const INHERIT_NOTHING: c_int = libc::POSIX_SPAWN_CLOEXEC_DEFAULT;
/// Linux has no such flag. There only the tests start programs like this.
#[cfg(not(target_os = "macos"))]
const INHERIT_NOTHING: c_int = 0;

/// Program that is ready to be started.
#[derive(Debug)]
pub struct Spawn {
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
    cwd: CString,
    /// Descriptors above 2, so that none is overwritten before it is copied.
    standard: [OwnedFd; 3],
}

impl Spawn {
    /// Prepares the start of a program, with the tag in its environment.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a NUL, or any error of the operating system.
    pub fn new(program: &Program, tag: Option<&RunTag>, standard: [OwnedFd; 3]) -> io::Result<Self> {
        let path = c_string(program.path.as_os_str())?;
        let args = program.args.iter().map(|arg| c_string(arg)).collect::<io::Result<Vec<_>>>()?;
        let given = program.env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
        // Of two variables with the same name the last one counts.
        let env: BTreeMap<_, _> = given.chain(tag.map(|tag| (tag.name.as_ref(), tag.value.as_ref()))).collect();
        let env = env.into_iter().map(|variable| c_string(&<[&OsStr; 2]>::from(variable).join(OsStr::new("="))));
        let [stdin, stdout, stderr] = standard.map(|file| fcntl_dupfd_cloexec(file, 3));
        Ok(Self {
            args: [path.clone()].into_iter().chain(args).collect(),
            path,
            env: env.collect::<io::Result<_>>()?,
            cwd: c_string(program.cwd.as_os_str())?,
            standard: [stdin?, stdout?, stderr?],
        })
    }

    /// Starts the program.
    pub fn start(&mut self) -> io::Result<Pid> {
        let (args, env) = (pointers(&self.args), pointers(&self.env));
        let actions = self.file_actions()?;
        let attributes = attributes()?;
        let mut pid = 0;
        // SAFETY: all strings end with a NUL and all lists with a null pointer. With the actions
        // and the attributes, which are initialised, they outlive the call, which changes none.
        check(unsafe {
            libc::posix_spawnp(
                &raw mut pid,
                self.path.as_ptr(),
                &raw const actions.value,
                &raw const attributes.value,
                args.as_ptr(),
                env.as_ptr(),
            )
        })?;
        Pid::from_raw(pid).ok_or_else(|| io::Error::other("the system has returned no pid"))
    }

    /// Returns the actions that set the directory and the standard streams of the child.
    fn file_actions(&self) -> io::Result<Owned<libc::posix_spawn_file_actions_t>> {
        let mut actions = Owned::new(libc::posix_spawn_file_actions_init, libc::posix_spawn_file_actions_destroy)?;
        for (number, file) in (0..).zip(&self.standard) {
            // SAFETY: the actions are initialised.
            check(unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut actions.value, file.as_raw_fd(), number) })?;
        }
        // SAFETY: the same, and the path ends with a NUL. The call copies it.
        check(unsafe { libc::posix_spawn_file_actions_addchdir_np(&raw mut actions.value, self.cwd.as_ptr()) })?;
        Ok(actions)
    }
}

/// Returns the attributes of the child: a group of its own, and SIGPIPE with its default, since
/// Node ignores this signal.
fn attributes() -> io::Result<Owned<libc::posix_spawnattr_t>> {
    let flags = libc::POSIX_SPAWN_SETPGROUP | libc::POSIX_SPAWN_SETSIGDEF | INHERIT_NOTHING;
    let flags = c_short::try_from(flags).map_err(io::Error::other)?;
    let mut attributes = Owned::new(libc::posix_spawnattr_init, libc::posix_spawnattr_destroy)?;
    let mut signals = MaybeUninit::uninit();
    // SAFETY: the attributes are initialised, and so is the set of signals once it is emptied.
    unsafe {
        libc::sigemptyset(signals.as_mut_ptr());
        libc::sigaddset(signals.as_mut_ptr(), libc::SIGPIPE);
        check(libc::posix_spawnattr_setsigdefault(&raw mut attributes.value, signals.as_ptr()))?;
        check(libc::posix_spawnattr_setpgroup(&raw mut attributes.value, 0))?;
        check(libc::posix_spawnattr_setflags(&raw mut attributes.value, flags))?;
    }
    Ok(attributes)
}

/// Value that a function of the C library has initialised, and another one destroys.
struct Owned<T> {
    value: T,
    destroy: unsafe extern "C" fn(*mut T) -> c_int,
}

impl<T> Owned<T> {
    fn new(
        init: unsafe extern "C" fn(*mut T) -> c_int,
        destroy: unsafe extern "C" fn(*mut T) -> c_int,
    ) -> io::Result<Self> {
        let mut value = MaybeUninit::uninit();
        // SAFETY: the function initialises what the pointer leads to. The result can be moved: it
        // is a pointer on macOS, and has no pointer to itself in glibc and musl.
        check(unsafe { init(value.as_mut_ptr()) })?;
        // SAFETY: initialised by the call.
        Ok(Self { value: unsafe { value.assume_init() }, destroy })
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: initialised, and destroyed only here.
        unsafe { (self.destroy)(&raw mut self.value) };
    }
}

/// Returns the error that a function has returned, if it is one.
fn check(error: c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

/// Returns pointers to the strings, and a null pointer.
fn pointers(strings: &[CString]) -> Vec<*mut c_char> {
    strings.iter().map(|text| text.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use rustix::process::{WaitOptions, WaitStatus, getpgid, waitpid};

    use super::super::launch::null;
    use super::*;
    use crate::process::tests::temp_dir;

    /// Returns a shell that runs the script.
    fn shell(script: &str, args: &[&str], env: &[(&str, &str)]) -> Program {
        Program {
            path: "/bin/sh".into(),
            args: ["-c", script, "name"].iter().chain(args).map(Into::into).collect(),
            env: env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            cwd: "/".into(),
        }
    }

    /// Starts the program. Returns its output, and its status.
    fn run(program: &Program, tag: Option<&RunTag>) -> (String, WaitStatus) {
        let (mut ours, theirs) = io::pipe().unwrap();
        let mut spawn = Spawn::new(program, tag, [null().unwrap(), theirs.into(), null().unwrap()]).unwrap();
        let child = spawn.start().unwrap();
        drop(spawn);
        let mut output = String::new();
        ours.read_to_string(&mut output).unwrap();
        (output, waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap().1)
    }

    #[test]
    fn passes_arguments_environment_and_directory_to_the_child() {
        let temp = temp_dir();
        let cwd = temp.path().canonicalize().unwrap();
        let script = "printf '%s,' \"$@\" \"$A\" \"$TAG\" \"$(pwd -P)\"; exit 7";
        let mut program = shell(script, &["one", "", "two words"], &[("A", "old"), ("TAG", "theirs"), ("A", "new")]);
        program.cwd.clone_from(&cwd);
        let tag = RunTag { name: "TAG", value: "ours".into(), dir: None };
        let (output, status) = run(&program, Some(&tag));
        assert_eq!(output, format!("one,,two words,new,ours,{},", cwd.display()));
        assert_eq!(status.exit_status(), Some(7));
        let (output, _) = run(&shell("printf '%s' \"${PATH-none} ${TAG-none}\"", &[], &[("PATH", "")]), None);
        assert_eq!(output, " none");
    }

    /// This process ignores SIGPIPE, as Node does.
    #[test]
    fn the_child_leads_a_group_and_dies_of_sigpipe() {
        let (mut open, theirs) = io::pipe().unwrap();
        let (theirs_in, ours) = io::pipe().unwrap();
        let program = shell("echo; read line; kill -s PIPE $$; exit 7", &[], &[]);
        let mut spawn = Spawn::new(&program, None, [theirs_in.into(), theirs.into(), null().unwrap()]).unwrap();
        let child = spawn.start().unwrap();
        // qemu may return before the child has its group.
        open.read_exact(&mut [0]).unwrap();
        assert_eq!(getpgid(Some(child)).unwrap(), child);
        drop((spawn, ours));
        let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
        assert_eq!(status.terminating_signal(), Some(libc::SIGPIPE));
    }

    /// macOS only: Linux has no such flag, since it creates descriptors with close-on-exec.
    #[cfg(target_os = "macos")]
    #[test]
    fn the_child_inherits_nothing_but_its_standard_streams() {
        let (_open, inheritable) = io::pipe().unwrap();
        rustix::io::fcntl_setfd(&inheritable, rustix::io::FdFlags::empty()).unwrap();
        let number = inheritable.as_raw_fd().to_string();
        let (output, _) = run(&shell("[ -e /dev/fd/$1 ] && echo open || echo closed", &[&number], &[]), None);
        assert_eq!(output, "closed\n");
    }

    #[test]
    fn reports_what_keeps_the_program_from_starting() {
        let files = || [null().unwrap(), null().unwrap(), null().unwrap()];
        let mut program = shell("", &["a\0b"], &[]);
        assert_eq!(Spawn::new(&program, None, files()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        program.args.clear();
        program.path = "/nowhere/sh".into();
        // Under qemu the child exits with 127 instead.
        if std::env::var_os("CODEX_IMAGE_TEST_EMULATOR").is_none() {
            let error = Spawn::new(&program, None, files()).unwrap().start().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
    }
}
