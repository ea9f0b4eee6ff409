//! Checks whether other users can replace entries of a directory or of one above it.
//!
//! The rule is that of OpenSSH's `StrictModes`, applied from the root down: each directory belongs
//! to root or to this user, and no other user may write in it unless its sticky bit is set. The
//! owner of `/` counts as root (in a user namespace root shows as the overflow uid), and a group of
//! which this user is the only member counts as the user (umask 002).

use std::io;
use std::path::Path;

#[cfg(unix)]
use rustix::fs::{Mode, Stat};

/// Reason why other users can replace entries of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// The directory, or one above it, belongs to another user.
    ForeignOwner,
    /// Others can write in the directory, or in one above it, and its sticky bit is not set.
    WritableByOthers,
}

/// Returns the reason why other users can replace entries of the directory `path`, if they can. The
/// path is absolute and without links.
///
/// # Errors
/// Any error of the operating system.
#[cfg(unix)]
pub fn exposure(path: &Path) -> io::Result<Option<Exposure>> {
    let us = rustix::process::geteuid().as_raw();
    let root = rustix::fs::lstat("/")?.st_uid;
    // From the root down: a name cannot be redirected once the directories above it are safe.
    let mut path: Vec<&Path> = path.ancestors().collect();
    while let Some(dir) = path.pop() {
        let stat = rustix::fs::lstat(dir)?;
        if ![0, us, root].contains(&stat.st_uid) {
            return Ok(Some(Exposure::ForeignOwner));
        }
        if is_writable_by_others(dir, &stat, us) {
            return Ok(Some(Exposure::WritableByOthers));
        }
    }
    Ok(None)
}

/// Always None: a user's temporary directory inherits its access control list from the profile, and
/// a run directory in any other has a list of its own.
///
/// # Errors
/// None on Windows; any error of the operating system on Unix.
#[cfg(windows)]
#[allow(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
pub const fn exposure(_path: &Path) -> io::Result<Option<Exposure>> {
    Ok(None)
}

#[cfg(unix)]
fn is_writable_by_others(dir: &Path, stat: &Stat, us: u32) -> bool {
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.contains(Mode::SVTX) {
        return false;
    }
    mode.contains(Mode::WOTH) || mode.contains(Mode::WGRP) && !group::is_private(dir, us, stat.st_gid)
}

/// Only Linux distributions give each user a private group. On macOS `/etc/group` does not list the
/// members of `staff`.
#[cfg(all(unix, not(target_os = "linux")))]
mod group {
    pub const fn is_private(_dir: &std::path::Path, _user: u32, _group: u32) -> bool {
        false
    }
}

#[cfg(target_os = "linux")]
mod group {
    use std::path::Path;

    use rustix::fs::getxattr_query;
    use rustix::io::Errno;

    use crate::files::regular::read_regular;

    /// Size limit of the databases. Real ones are smaller.
    const MAX_BYTES: u64 = 4 << 20;

    /// Whether only this user has the permissions that `dir` grants to its group.
    pub fn is_private(dir: &Path, user: u32, group: u32) -> bool {
        // With an ACL the group's bits are its mask, so that any entry may grant them.
        let acl = getxattr_query(dir, "system.posix_acl_access");
        let read = |path| Some(String::from_utf8_lossy(&read_regular(Path::new(path), MAX_BYTES).ok()?).into_owned());
        let databases = read("/etc/passwd").zip(read("/etc/group"));
        matches!(acl, Err(Errno::NODATA | Errno::OPNOTSUPP))
            && databases.is_some_and(|(users, groups)| has_only(&users, &groups, user, group))
    }

    /// Whether `group` is the primary group of `user`, has the user's name, and has no other
    /// member. Groups of a directory service are not in these files and count as shared.
    fn has_only(users: &str, groups: &str, user: u32, group: u32) -> bool {
        let (user, group) = (user.to_string(), group.to_string());
        let mut login = None;
        for line in users.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(uid), Some(gid)) = (fields.next(), fields.nth(1), fields.next()) else { continue };
            match (uid == user, gid == group) {
                (true, true) => login = login.or(Some(name)),
                (false, true) if uid != "0" => return false,
                _ => {}
            }
        }
        let mut entries = groups.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (name, gid) = (fields.next()?, fields.nth(1)?);
            (gid == group).then(|| (name, fields.next().unwrap_or_default()))
        });
        let is_own = |(name, members): (&str, &str)| {
            Some(name) == login && members.split(',').all(|member| member.is_empty() || member == name)
        };
        entries.next().is_some_and(is_own) && entries.all(is_own)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const USERS: &str = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n";
        const GROUPS: &str = "root:x:0:\nusers:x:100:\nann:x:1000:\nbob:x:1001:ann\n";

        #[test]
        fn a_primary_group_with_the_users_name_and_no_other_member_is_private() {
            assert!(has_only(USERS, GROUPS, 1000, 1000));
            assert!(has_only(USERS, GROUPS, 0, 0));
            assert!(has_only(USERS, "ann:x:1000:ann", 1000, 1000));
            assert!(!has_only(USERS, GROUPS, 1001, 1001), "it has another member");
            assert!(!has_only(USERS, GROUPS, 1000, 1001), "it is not the primary group");
            assert!(!has_only(USERS, GROUPS, 1000, 100), "it is not the primary group");
            assert!(!has_only(USERS, GROUPS, 1002, 1002), "neither file names it");
        }

        #[test]
        fn a_group_with_another_name_or_another_primary_user_is_shared() {
            assert!(!has_only(&format!("{USERS}eve:x:1002:1000::/:/bin/sh"), GROUPS, 1000, 1000));
            assert!(!has_only("ann:x:1000:100::/:/bin/sh", "users:x:100:", 1000, 100));
            assert!(!has_only(USERS, &format!("{GROUPS}staff:x:1000:eve"), 1000, 1000));
            assert!(!has_only("", "", 1000, 1000));
            assert!(!has_only("x\n::\n", ":\n:::::", 1000, 1000));
        }
    }
}
