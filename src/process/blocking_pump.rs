//! Reads a pipe by blocking calls until its tree is dead, then the bytes that are left in it.
//!
//! Only Windows reads pipes like this. Compiled everywhere, so that every system tests it.

use std::io;

use super::pump::{READ_BYTES, drain};

/// What a read waits for. Its stream may end before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// Bytes, or the death of the tree. A tree that is already dead comes first.
    BytesOrDeath,
    /// Bytes, of which the pipe holds some.
    Bytes,
}

/// Result of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk {
    /// This number of bytes. 0 is not the end: "If the lpNumberOfBytesRead parameter is zero when
    /// `ReadFile` returns TRUE on a pipe, the other end of the pipe called the `WriteFile` function
    /// with nNumberOfBytesToWrite set to zero" (Microsoft's documentation of `ReadFile`).
    Bytes(usize),
    /// The stream has ended.
    End,
    /// The tree is dead.
    TreeIsDead,
}

/// Reads with `read` to the end of the stream or until the tree is dead, then the bytes that are
/// `held` by the pipe.
///
/// The tree's death must not cancel the second part. The system may complete a read later although
/// there are bytes, for example if a filter driver delays it.
pub fn read_all(
    mut read: impl FnMut(&mut [u8], WaitFor) -> io::Result<Chunk>,
    held: impl FnOnce() -> io::Result<usize>,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match read(&mut buffer, WaitFor::BytesOrDeath)? {
            Chunk::Bytes(count) => take(&buffer[..count]),
            Chunk::End => return Ok(()),
            Chunk::TreeIsDead => break,
        }
    }
    let read_held = |buffer: &mut [u8]| loop {
        match read(buffer, WaitFor::Bytes)? {
            Chunk::Bytes(0) => {}
            Chunk::Bytes(count) => return Ok(count),
            Chunk::End | Chunk::TreeIsDead => return Ok(0),
        }
    };
    drain(held()?, &mut buffer, read_held, take)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use super::*;

    /// Reads from a scripted pipe. None stands for a moment in which no bytes have arrived yet: the
    /// tree is dead then.
    fn read_script(script: &[Option<&[u8]>], held: usize) -> Vec<u8> {
        let script = RefCell::new(script.iter().copied().collect::<VecDeque<_>>());
        let read = |buffer: &mut [u8], wait_for| {
            let mut script = script.borrow_mut();
            loop {
                match script.pop_front() {
                    Some(Some(bytes)) => {
                        buffer[..bytes.len()].copy_from_slice(bytes);
                        return Ok(Chunk::Bytes(bytes.len()));
                    }
                    Some(None) if wait_for == WaitFor::BytesOrDeath => return Ok(Chunk::TreeIsDead),
                    Some(None) => {}
                    None => return Ok(Chunk::End),
                }
            }
        };
        let mut taken = Vec::new();
        read_all(read, || Ok(held), |bytes| taken.extend_from_slice(bytes)).unwrap();
        taken
    }

    #[test]
    fn a_read_of_no_bytes_is_not_the_end() {
        assert_eq!(read_script(&[Some(b"one"), Some(b""), Some(b"two")], 0), b"onetwo");
        assert_eq!(read_script(&[None, Some(b""), Some(b"three"), Some(b""), Some(b"four")], 9), b"threefour");
    }

    /// The second `None` delays a read of bytes that are in the pipe.
    #[test]
    fn the_death_of_the_tree_does_not_cancel_the_read_of_bytes_that_are_left() {
        assert_eq!(read_script(&[Some(b"one"), None, None, Some(b"two")], 3), b"onetwo");
    }

    #[test]
    fn does_not_wait_for_bytes_that_others_write_after_the_death() {
        assert_eq!(read_script(&[None, Some(b"left"), Some(b"later")], 4), b"left");
        assert_eq!(read_script(&[None, Some(b"later")], 0), b"");
    }
}
