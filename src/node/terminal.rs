//! Measures the terminal's character cells, for this package's command line. Node has no API for
//! that. A query by escape sequence (`CSI 16 t`) would swallow what the user types ahead, and
//! suspend a background job.

use napi_derive::napi;

/// Returns the height of a character cell of the terminal behind stderr divided by its width. None
/// if the terminal does not report its size in pixels.
#[cfg(unix)]
#[must_use]
#[napi(catch_unwind, skip_typescript)]
pub fn terminal_cell_ratio() -> Option<f64> {
    cell_ratio(std::io::stderr())
}

/// Returns None: consoles of Windows report no size in pixels.
#[cfg(not(unix))]
#[must_use]
#[napi(catch_unwind, skip_typescript)]
pub fn terminal_cell_ratio() -> Option<f64> {
    None
}

#[cfg(unix)]
fn cell_ratio(terminal: impl std::os::fd::AsFd) -> Option<f64> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    let cell_height = f64::from(size.ws_ypixel) / f64::from(size.ws_row);
    let cell_width = f64::from(size.ws_xpixel) / f64::from(size.ws_col);
    let ratio = cell_height / cell_width;
    ratio.is_normal().then_some(ratio)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::File;

    use rustix::pty::{OpenptFlags, openpt};
    use rustix::termios::{Winsize, tcsetwinsize};

    use super::cell_ratio;

    #[test]
    fn returns_the_ratio_of_a_terminals_cells() {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        let sized = |ws_xpixel, ws_ypixel| {
            tcsetwinsize(&terminal, Winsize { ws_row: 30, ws_col: 100, ws_xpixel, ws_ypixel }).expect("its size");
            cell_ratio(&terminal)
        };
        assert_eq!(sized(900, 600), Some(20.0 / 9.0));
        assert_eq!(sized(0, 0), None);
        assert_eq!(sized(900, 0), None);
        assert_eq!(sized(0, 600), None);
    }

    #[test]
    fn returns_no_ratio_for_a_file() {
        assert_eq!(cell_ratio(File::open("/dev/null").expect("a file")), None);
    }
}
