//! Makes signed pictures: roots, certificates, time stamps and manifests, sound and with faults.

#![allow(dead_code, reason = "each of the programs that include it uses a part")]

pub mod cases;
mod der;
pub mod identity;
pub mod picture;
mod token;
