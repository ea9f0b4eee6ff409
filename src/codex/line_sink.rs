//! Splits the bytes of a pipe into lines.

use crate::process::Sink;
use crate::text::lines::Lines;

/// Sink that passes each line to a callback.
pub struct LineSink<F> {
    lines: Lines,
    on_line: F,
}

impl<F: FnMut(&[u8]) + Send + 'static> LineSink<F> {
    /// Creates a sink that passes lines of at most `cap` bytes to `on_line` and drops longer ones.
    pub const fn new(cap: usize, on_line: F) -> Self {
        Self { lines: Lines::new(cap), on_line }
    }
}

impl<F: FnMut(&[u8]) + Send + 'static> Sink for LineSink<F> {
    fn take(&mut self, bytes: &[u8]) {
        self.lines.push(bytes, &mut self.on_line);
    }

    fn end(&mut self) {
        self.lines.finish(&mut self.on_line);
    }
}
