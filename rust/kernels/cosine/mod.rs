//! How many references lie within a cosine distance of each query.
//!
//! No pair is left to rounding, and few are computed in full. Rows are ordered so that a tile holds
//! rows that are alike; leading coordinates decide most pairs of tiles as wholes. The others are
//! estimated in whole numbers, with a bound on the error; the few pairs that it leaves open are
//! computed in float32, and those near the threshold in float64 from the rows as given.

mod aligned;
mod basis;
mod block;
mod digits;
mod index;
mod look;
mod open;
mod order;
mod rows;
mod shape;
pub mod tiles;

pub use index::{Index, SMALLEST};
pub use rows::Real;

#[cfg(test)]
mod tests;
