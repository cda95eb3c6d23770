//! What a caller can get wrong. `python` maps each variant to one Python exception.

use std::fmt;

#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    Length {
        name: &'static str,
        found: usize,
        expected: usize,
    },
    Shape {
        name: &'static str,
        found: (usize, usize),
        expected: (usize, usize),
    },
    Skip {
        start: usize,
        stop: usize,
        columns: usize,
    },
    NotPositive {
        name: &'static str,
        value: f64,
    },
    Empty(&'static str),
    HoldsNan(&'static str),
    NotFinite(&'static str),
    /// Labels that do not number clusters from 0 on.
    Label(i64),
    /// Rows that a kernel cannot use.
    Rows {
        name: &'static str,
        kind: &'static str,
        rows: Vec<usize>,
    },
    Width {
        found: usize,
        expected: usize,
    },
    TooWide {
        found: usize,
        most: usize,
    },
    Radius {
        radius: f64,
        smallest: f64,
    },
    Cap,
    Neighbors {
        found: usize,
        most: usize,
    },
    /// A node that belongs to no tree of the kind.
    Tree(usize),
    /// The caller asked a long kernel to stop.
    Interrupted,
}

pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length {
                name,
                found,
                expected,
            } => write!(
                f,
                "{name} has {found} rows where {expected} were expected: one per record."
            ),
            Self::Shape {
                name,
                found,
                expected,
            } => write!(
                f,
                "{name} has shape {found:?} where that of signal was expected, {expected:?}."
            ),
            Self::Skip {
                start,
                stop,
                columns,
            } => write!(
                f,
                "skip=({start}, {stop}) is not a range of the {columns} columns of references."
            ),
            Self::NotPositive { name, value } => {
                write!(f, "{name} must be positive and finite, got {value}.")
            }
            Self::Empty(name) => write!(f, "{name} is empty; pass at least one value."),
            Self::HoldsNan(name) => write!(f, "{name} holds NaN; drop those values first."),
            Self::NotFinite(name) => {
                write!(f, "{name} holds NaN or infinity; drop those rows first.")
            }
            Self::Label(label) => write!(
                f,
                "labels must number clusters from 0 to n - 1, none of them empty, got {label}."
            ),
            Self::Rows { name, kind, rows } => {
                let named: Vec<String> = rows.iter().take(5).map(usize::to_string).collect();
                write!(f, "{name} hold {kind} in rows {}", named.join(", "))?;
                if rows.len() > named.len() {
                    write!(f, " and {} more", rows.len() - named.len())?;
                }
                write!(
                    f,
                    "; such rows have no direction: drop or repair them first."
                )
            }
            Self::Width { found, expected } => write!(
                f,
                "queries have {found} features where the references have {expected}: \
                 pass the same features of both."
            ),
            Self::TooWide { found, most } => write!(
                f,
                "references have {found} features; at most {most} can be compared."
            ),
            Self::Radius { radius, smallest } => write!(
                f,
                "radius must lie between {smallest:e}, below which rounding would decide, and 2, \
                 the largest cosine distance; got {radius}."
            ),
            Self::Cap => write!(f, "cap must be at least 1, or None to count all."),
            Self::Neighbors { found, most } => write!(
                f,
                "n_neighbors={found} does not lie between 1 and {most}, the rows of table."
            ),
            Self::Tree(node) => write!(
                f,
                "node {node} is none of a tree: children must be nodes of it, features columns of \
                 rows, and the leaves of small trees at most 32."
            ),
            Self::Interrupted => write!(f, "Interrupted."),
        }
    }
}

impl std::error::Error for Error {}

/// Why a row has no direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    Zero,
    NotFinite,
}

/// Refuses a table some of whose rows have no direction, by their numbers.
pub fn refuse(name: &'static str, faults: &[(usize, Fault)]) -> Result<()> {
    for (kind, fault) in [
        ("NaN or infinity", Fault::NotFinite),
        ("only zeros", Fault::Zero),
    ] {
        let rows = faults.iter().filter(|(_, found)| *found == fault);
        let rows: Vec<usize> = rows.map(|(row, _)| *row).collect();
        if !rows.is_empty() {
            return Err(Error::Rows { name, kind, rows });
        }
    }
    Ok(())
}
