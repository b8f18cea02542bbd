//! Proof of the rotation rule: published vectors, an independent model checked exhaustively, and a seeded
//! simulation with lost replies, crashes, slow tabs, skewed clocks and a thief.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends by panicking, and its numbers are small and known"
)]

mod figures;
mod fixture;
mod model;
mod vectors;
mod world;
