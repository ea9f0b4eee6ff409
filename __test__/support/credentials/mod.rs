//! Makes signed pictures: roots, certificates, time stamps and manifests, sound and with faults.

pub mod cases;
mod der;
pub mod identity;
pub mod picture;
mod token;
