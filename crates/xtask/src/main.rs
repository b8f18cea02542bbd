//! Build, run and test.
fn main() {}
