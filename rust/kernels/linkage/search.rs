//! Searches for the nearest clusters: of all at once, or of some among all.

use std::sync::Mutex;

use super::nearest::{Nearest, GONE};
use super::panels::{sweep, Finder, Panels, WIDTH};
use crate::error::Result;
use crate::kernels::Pulse;
use crate::threads;

/// Panels of a block: two blocks fit into a core's second cache.
const BLOCK: usize = 5;
/// Vectors of a block.
const VECTORS: usize = BLOCK * WIDTH;
/// Products of components between two pulses.
pub const BREATH: usize = 1 << 31;

/// Room for the floors of a sweep, kept from task to task.
#[derive(Default)]
struct Floors {
    rows: Vec<f32>,
    columns: Vec<f32>,
}

type Stash = Mutex<Vec<Floors>>;

fn with_floors<T>(stash: &Stash, body: impl FnOnce(&mut Floors) -> T) -> T {
    let taken = stash.lock().ok().and_then(|mut stash| stash.pop());
    let mut floors = taken.unwrap_or_default();
    let result = body(&mut floors);
    if let Ok(mut stash) = stash.lock() {
        stash.push(floors);
    }
    result
}

/// Beyond the last vector nothing is of use.
fn fill(floors: &mut Vec<f32>, lists: &[Nearest], panels: usize) {
    floors.clear();
    floors.extend(lists.iter().map(|nearest| nearest.bound as f32));
    floors.resize(panels * WIDTH, f32::INFINITY);
}

/// Fills everyone's list. `ids` names the vectors; none may be gone.
///
/// Each pair is looked at once, for both of its sides. Blocks meet as teams in a tournament: in
/// a round no block plays twice, so that each game owns the lists it writes, and what a list
/// holds depends on the order of the rounds only.
pub fn everyone(panels: &Panels, ids: &[u32], lists: &mut [Nearest], pulse: Pulse) -> Result<()> {
    let stash = Stash::default();
    let teams = ids.len().div_ceil(VECTORS);
    let work = VECTORS * VECTORS * panels.depth();
    let games_per_breath = (BREATH / work).max(1) * threads::count();
    for round in rounds(teams) {
        let mut sides: Vec<_> = lists.chunks_mut(VECTORS).map(Some).collect();
        let mut games: Vec<_> = round
            .into_iter()
            .map(|(i, j)| (i, j, sides[i].take(), sides[j].take()))
            .collect();
        while !games.is_empty() {
            pulse()?;
            let some: Vec<_> = games.drain(..games.len().min(games_per_breath)).collect();
            let work = some.len() * work;
            threads::for_each(
                some,
                work,
                || (),
                |(), (i, j, rows, columns)| {
                    let (Some(rows), columns) = (rows, columns.unwrap_or_default()) else {
                        return;
                    };
                    with_floors(&stash, |floors| {
                        play(panels, ids, [i, j], rows, columns, floors);
                    });
                },
            );
        }
    }
    Ok(())
}

/// Who meets whom: first everyone themselves, then each pair once.
fn rounds(teams: usize) -> impl Iterator<Item = Vec<(usize, usize)>> {
    // The circle method: the last stays, the others move by one; with odd numbers one rests.
    let seats = teams.next_multiple_of(2);
    let circle = seats.max(1) - 1;
    let alone = std::iter::once((0..teams).map(|i| (i, i)).collect());
    alone.chain((0..circle).map(move |round| {
        (0..seats / 2)
            .map(|i| match i {
                0 => (round, circle),
                _ => ((round + i) % circle, (round + circle - i) % circle),
            })
            .map(|(i, j)| (i.min(j), i.max(j)))
            .filter(|&(_, j)| j < teams)
            .collect()
    }))
}

struct Game<'a> {
    rows: &'a mut [Nearest],
    /// Empty where a block meets itself.
    columns: &'a mut [Nearest],
    first: [usize; 2],
    ids: &'a [u32],
    floors: &'a mut Floors,
}

impl Finder for Game<'_> {
    #[inline(always)]
    fn floors(&self) -> (&[f32], &[f32]) {
        (&self.floors.rows, &self.floors.columns)
    }

    fn found(&mut self, row: usize, column: usize, similarity: f32) {
        let alone = self.columns.is_empty();
        if alone && column <= row {
            return;
        }
        // Beyond the last vector a panel is filled up with zeros.
        let [row_id, column_id] =
            [self.first[0] + row, self.first[1] + column].map(|place| self.ids.get(place));
        let (Some(&row_id), Some(&column_id)) = (row_id, column_id) else {
            return;
        };
        if similarity > self.floors.rows[row] {
            self.rows[row].keep(column_id, similarity.into());
            self.floors.rows[row] = self.rows[row].bound as f32;
        }
        if similarity > self.floors.columns[column] {
            let lists = if alone {
                &mut *self.rows
            } else {
                &mut *self.columns
            };
            lists[column].keep(row_id, similarity.into());
            self.floors.columns[column] = lists[column].bound as f32;
        }
        if alone {
            self.floors.columns[row] = self.floors.rows[row];
            self.floors.rows[column] = self.floors.columns[column];
        }
    }
}

fn play(
    panels: &Panels,
    ids: &[u32],
    teams: [usize; 2],
    rows: &mut [Nearest],
    columns: &mut [Nearest],
    floors: &mut Floors,
) {
    let alone = columns.is_empty();
    let [left, right] = teams.map(|team| {
        let first = team * BLOCK;
        first..(first + BLOCK).min(panels.count())
    });
    fill(&mut floors.rows, rows, left.len());
    fill(
        &mut floors.columns,
        if alone { rows } else { columns },
        right.len(),
    );
    let first = teams.map(|team| team * VECTORS);
    let count = rows.len();
    let mut game = Game {
        rows,
        columns,
        first,
        ids,
        floors,
    };
    sweep(
        panels.block(left, count),
        panels.block(right, VECTORS),
        alone,
        &mut game,
    );
}

/// Tasks that some clusters' search among all is cut into, at least: a fixed number, so that what
/// is found does not depend on the number of threads.
const TASKS: usize = 16;
/// Panels of rows of such a task.
const ROWS: usize = 2;

/// The lists of the vectors at the places `some`, filled anew; those of `ids` that are `GONE` are
/// left out.
pub fn some(panels: &Panels, ids: &[u32], some: &[usize], pulse: Pulse) -> Result<Vec<Nearest>> {
    let stash = Stash::default();
    let work = ROWS * WIDTH * ids.len() * panels.depth();
    let slab = (BREATH / work).max(1) * ROWS * WIDTH * threads::count();
    let mut result = Vec::with_capacity(some.len());
    for slab in some.chunks(slab) {
        pulse()?;
        let mut questions = Panels::new(panels.depth(), slab.len());
        for (i, &place) in slab.iter().enumerate() {
            questions.set(i, panels.get(place));
        }
        let rows: Vec<usize> = (0..questions.count()).step_by(ROWS).collect();
        let span = panels
            .count()
            .div_ceil(TASKS.div_ceil(rows.len()))
            .max(BLOCK);
        let columns: Vec<usize> = (0..panels.count()).step_by(span).collect();
        let nobody = Nearest::unknown();
        let mut found = vec![vec![nobody; slab.len()]; columns.len()];
        let mut tasks = Vec::with_capacity(rows.len() * columns.len());
        for (&column, found) in columns.iter().zip(&mut found) {
            let parts = found.chunks_mut(ROWS * WIDTH);
            tasks.extend(
                rows.iter()
                    .zip(parts)
                    .map(|(&row, lists)| (row, column, lists)),
            );
        }
        let work = slab.len() * ids.len() * panels.depth();
        threads::for_each(
            tasks,
            work,
            || (),
            |(), (row, column, lists)| {
                with_floors(&stash, |floors| {
                    let left = row..(row + ROWS).min(questions.count());
                    let right = column..(column + span).min(panels.count());
                    fill(&mut floors.rows, lists, left.len());
                    fill(&mut floors.columns, &[], right.len());
                    let count = lists.len();
                    let mut asked = Asked {
                        places: &slab[row * WIDTH..],
                        lists,
                        first: column * WIDTH,
                        ids,
                        floors,
                    };
                    sweep(
                        questions.block(left, count),
                        panels.block(right, span * WIDTH),
                        false,
                        &mut asked,
                    );
                });
            },
        );
        for i in 0..slab.len() {
            let mut all = nobody;
            for lists in &found {
                for (id, similarity) in lists[i].list() {
                    all.add(id, similarity);
                }
                all.bound = all.bound.max(lists[i].bound);
            }
            result.push(all);
        }
    }
    Ok(result)
}

struct Asked<'a> {
    places: &'a [usize],
    lists: &'a mut [Nearest],
    first: usize,
    ids: &'a [u32],
    floors: &'a mut Floors,
}

impl Finder for Asked<'_> {
    #[inline(always)]
    fn floors(&self) -> (&[f32], &[f32]) {
        (&self.floors.rows, &self.floors.columns)
    }

    fn found(&mut self, row: usize, column: usize, similarity: f32) {
        let place = self.first + column;
        let id = self.ids.get(place).copied().unwrap_or(GONE);
        // The floor may have risen since the row was compared; the end of a panel may be empty.
        let useful = similarity > self.floors.rows[row];
        if useful && id != GONE && place != self.places[row] {
            self.lists[row].keep(id, similarity.into());
            self.floors.rows[row] = self.lists[row].bound as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::rounds;

    #[test]
    fn each_pair_meets_once_and_nobody_plays_twice_in_a_round() {
        for teams in 0..12 {
            let mut met = HashSet::new();
            for round in rounds(teams) {
                let mut playing = HashSet::new();
                for (i, j) in round {
                    assert!(i <= j && j < teams && met.insert((i, j)));
                    assert!(playing.insert(i) && (i == j || playing.insert(j)));
                }
            }
            assert_eq!(met.len(), teams * (teams + 1) / 2);
        }
    }
}
