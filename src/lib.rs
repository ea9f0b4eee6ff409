//! Draws images with the user's own signed-in Codex CLI, as a Node native addon.
//!
//! One call of [`generate`] runs one headless `codex exec`, whose built-in `image_gen` tool draws
//! the image:
//!
//! 1. `generate/preflight.rs` finds the CLI and checks at no cost that it can draw;
//! 2. `generate/draw.rs` runs one turn in a private [`run_dir`] and reports [`progress`];
//! 3. [`provenance`] decides which file counts, since Codex prints nothing about images;
//! 4. [`png`] validates its bytes;
//! 5. the process tree is stopped and the run directory removed. Only then does the call return.
//!
//! ARCHITECTURE.md has the map of the modules, the flows through them, and the invariants.

#![deny(missing_docs, unsafe_code)]

pub mod blocking;
pub mod codex;
pub mod environment;
pub mod error;
pub mod files;
pub mod generate;
pub mod interrupts;
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
pub mod run_dir;
pub mod run_id;
pub mod sandbox;
pub mod sweep;
pub mod terminal;
pub mod text;
#[cfg(windows)]
mod win32;
