//! Terminals of Unix.

use std::io::{self, stderr, stdin};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::fs::fstat;
use rustix::io::{ioctl_fionread, read, write};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};

use super::Cell;

/// Returns the size of a cell of the terminal behind stderr. None if the terminal does not
/// report its size in pixels.
#[must_use]
pub fn cell() -> Option<Cell> {
    cell_of(stderr())
}

fn cell_of(terminal: impl AsFd) -> Option<Cell> {
    let size = tcgetwinsize(terminal).ok()?;
    let width = f64::from(size.ws_xpixel) / f64::from(size.ws_col);
    let height = f64::from(size.ws_ypixel) / f64::from(size.ws_row);
    (width.is_normal() && height.is_normal()).then_some(Cell { width, height })
}

/// The query for the primary device attributes. Every terminal since the VT100 answers it.
const QUERY: &[u8] = b"\x1B[c";
/// Enough for an answer through a slow connection.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// Asks the terminal behind stdin and stderr for its primary device attributes. Returns none if
/// they are no terminal, another job has it, it has input that is not yet read, or it does not
/// answer. Blocks.
#[must_use]
pub fn attributes() -> Vec<u16> {
    let (input, output) = (stdin(), stderr());
    let is_ours = || -> rustix::io::Result<bool> {
        // Changing the terminal of another job would suspend this one.
        Ok(tcgetpgrp(&input)? == getpgrp() && fstat(&input)?.st_rdev == fstat(&output)?.st_rdev)
    };
    if is_ours().unwrap_or(false) { ask(&input, &output, TIME_LIMIT).unwrap_or_default() } else { Vec::new() }
}

/// Sends the query and reads the answer. Keys that are pressed between the two are lost: a
/// terminal cannot take input back. Earlier and later ones stay for the next reader.
fn ask(input: impl AsFd, output: impl AsFd, limit: Duration) -> io::Result<Vec<u16>> {
    let usual = tcgetattr(&input)?;
    let mut mode = usual.clone();
    // Ctrl-C and the like go on to send signals.
    mode.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
    // A read returns after a tenth of a second without input. `poll` on a terminal fails on
    // some versions of macOS.
    mode.special_codes[SpecialCodeIndex::VMIN] = 0;
    mode.special_codes[SpecialCodeIndex::VTIME] = 1;
    tcsetattr(&input, OptionalActions::Now, &mode)?;
    let answer = exchange(&input, &output, limit);
    tcsetattr(&input, OptionalActions::Now, &usual)?;
    answer
}

fn exchange(input: impl AsFd, output: impl AsFd, limit: Duration) -> io::Result<Vec<u16>> {
    // After the change of mode: before it, only whole lines are counted.
    if ioctl_fionread(&input)? > 0 || write(&output, QUERY)? < QUERY.len() {
        return Ok(Vec::new());
    }
    let start = Instant::now();
    let mut answer = Vec::new();
    while start.elapsed() < limit {
        // One at a time: what follows the answer is not ours.
        let mut byte = [0];
        if read(&input, &mut byte)? == 0 {
            continue;
        }
        if byte == *b"\x1B" {
            answer.clear();
        }
        answer.extend_from_slice(&byte);
        if let Some(parameters) = answer.strip_prefix(b"\x1B[?").and_then(|rest| rest.strip_suffix(b"c")) {
            return Ok(numbers(parameters));
        }
    }
    Ok(Vec::new())
}

fn numbers(parameters: &[u8]) -> Vec<u16> {
    let parameters = String::from_utf8_lossy(parameters);
    parameters.split(';').filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::os::fd::OwnedFd;
    use std::thread;

    use rustix::fs::{Mode, OFlags, open};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{Winsize, tcsetwinsize};

    use super::*;

    /// A terminal without a window: the end of its keyboard and screen, and that of its programs.
    fn terminal() -> (File, OwnedFd) {
        let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&outer).expect("its rights");
        unlockpt(&outer).expect("its lock");
        let name = ptsname(&outer, Vec::new()).expect("its name");
        let inner = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other end");
        (outer.into(), inner)
    }

    /// Asks a terminal that answers the query by `keys`. Returns what its programs read after that.
    fn asked(keys: &'static [u8]) -> (Vec<u16>, Vec<u8>) {
        let (mut outer, inner) = terminal();
        let answering = thread::spawn(move || {
            let mut query = [0; 3];
            outer.read_exact(&mut query).expect("the query");
            assert_eq!(&query, b"\x1B[c");
            outer.write_all(keys).expect("its answer");
            outer
        });
        let attributes = ask(&inner, &inner, Duration::from_secs(60)).expect("an answer");
        let mut outer = answering.join().expect("the end of the other thread");
        assert!(tcgetattr(&inner).expect("its mode").local_modes.contains(LocalModes::ICANON | LocalModes::ECHO));
        outer.write_all(b"\n").expect("the end of the line");
        let mut rest = Vec::new();
        BufReader::new(File::from(inner)).read_until(b'\n', &mut rest).expect("a line");
        (attributes, rest)
    }

    #[test]
    fn returns_the_attributes_of_a_terminal() {
        assert_eq!(asked(b"\x1B[?62;4;22c").0, [62, 4, 22]);
        assert_eq!(asked(b"\x1B[?6c").0, [6]);
    }

    #[test]
    fn finds_the_answer_between_keys_and_leaves_the_later_ones() {
        assert_eq!(asked(b"l\x1B[A\x1Bc\x1B[?62;4cls"), (vec![62, 4], b"ls\n".to_vec()));
    }

    #[test]
    fn does_not_ask_a_terminal_with_input_that_is_not_read() {
        let (mut outer, inner) = terminal();
        outer.write_all(b"ls").expect("two keys");
        let mut echo = [0; 2];
        outer.read_exact(&mut echo).expect("their echo, once they have arrived");
        assert_eq!(ask(&inner, &inner, Duration::from_secs(60)).expect("no answer"), [0_u16; 0]);
        let mut inner = File::from(inner);
        inner.write_all(b"after").expect("some output");
        let mut output = [0; 5];
        outer.read_exact(&mut output).expect("all output");
        assert_eq!(&output, b"after", "no query was sent");
        outer.write_all(b"\n").expect("the end of the line");
        let mut line = [0; 3];
        inner.read_exact(&mut line).expect("the line");
        assert_eq!(&line, b"ls\n");
    }

    #[test]
    fn a_terminal_that_does_not_answer_has_no_attributes() {
        let (_outer, inner) = terminal();
        assert_eq!(ask(&inner, &inner, Duration::from_millis(1)).expect("no answer"), [0_u16; 0]);
        assert!(tcgetattr(&inner).expect("its mode").local_modes.contains(LocalModes::ICANON | LocalModes::ECHO));
    }

    #[test]
    fn a_file_is_not_asked() {
        let null = File::open("/dev/null").expect("a file");
        assert!(ask(&null, &null, Duration::from_secs(60)).is_err());
    }

    #[test]
    fn returns_the_size_of_a_terminals_cells() {
        let (terminal, _inner) = terminal();
        let sized = |ws_xpixel, ws_ypixel| {
            tcsetwinsize(&terminal, Winsize { ws_row: 30, ws_col: 100, ws_xpixel, ws_ypixel }).expect("its size");
            cell_of(&terminal)
        };
        assert_eq!(sized(900, 600), Some(Cell { width: 9.0, height: 20.0 }));
        assert_eq!(sized(0, 0), None);
        assert_eq!(sized(900, 0), None);
        assert_eq!(sized(0, 600), None);
    }

    #[test]
    fn returns_no_size_for_a_file() {
        assert_eq!(cell_of(File::open("/dev/null").expect("a file")), None);
    }
}
