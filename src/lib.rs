//! A prompt goes in, a proven PNG comes out, nothing is left behind, and the JavaScript thread
//! never waited.
//!
//! The package drives the user's own signed-in Codex CLI. One generation is one headless
//! `codex exec` whose built-in `image_gen` tool draws the picture; no API key is involved. The
//! steps, as [`generate`] takes them:
//!
//! 1. locate the CLI and make sure, without spending anything, that it can draw;
//! 2. make a private workspace and run one turn in it, reporting progress as it comes;
//! 3. watch the file system: the picture is a file that Codex itself wrote for this very thread;
//! 4. prove the picture, stop the whole process tree, remove the workspace, and only then answer.
//!
//! The modules; an arrow means "uses":
//!
//! ```text
//! node → { generate, readiness } → { provenance, obstacles, sweep, limits }
//!      → { codex, blocking, process, png, files, workspace, reference, queue }
//!      → { request, progress, error, text }
//! ```
//!
//! * [`generate`]: the whole flow; [`provenance`]: which picture counts, and what is known of where
//!   it came from.
//! * [`obstacles`]: what keeps Codex from drawing, as far as it shows before anything is spent.
//! * [`sweep`]: what dead daemons have left behind.
//! * [`readiness`]: whether this machine can draw, and what to do if not.
//! * [`queue`], [`reference`]: the queue of calls, and the pictures to start from.
//! * [`limits`]: deadline and cancellation; [`run_id`]: the name of a run.
//! * [`blocking`]: reading a place whose disk may not answer, with few threads.
//! * [`request`], [`progress`], [`error`]: what was asked for, what is said meanwhile, what can go
//!   wrong.
//! * [`codex`]: everything known about the Codex CLI, each fact in one place.
//! * [`process`]: a child and all its descendants; knows nothing of Codex.
//! * [`text`]: what others wrote, bounded, printable and without secrets.
//! * [`png`], [`files`], [`workspace`]: proving bytes, reading files by handle, a private
//!   directory.
//! * `win32`: what every use of the Windows API needs.
//! * `node`: N-API bindings. No other module uses napi.

#![deny(missing_docs, unsafe_code)]

pub mod blocking;
pub mod codex;
pub mod environment;
pub mod error;
pub mod files;
pub mod generate;
pub mod limits;
pub mod node;
pub mod obstacles;
pub mod png;
pub mod process;
pub mod progress;
pub mod provenance;
pub mod queue;
pub mod readiness;
pub mod reference;
pub mod request;
pub mod run_id;
pub mod sandbox;
pub mod sweep;
pub mod text;
#[cfg(windows)]
mod win32;
pub mod workspace;
