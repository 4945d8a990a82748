//! Measured round trips between sites, as text: a square, or the lower half of one that
//! is symmetric.

use super::Net;

/// Sites of a matrix, at most.
const SITES_MAX: usize = 4_096;
/// The longest round trip that is one, in milliseconds.
const ROUND_TRIP_MAX_MS: f64 = 1e6;

impl Net {
    /// Takes in the file that [`Net::matrix`] names: milliseconds with tabs, commas or
    /// spaces between them, a line a site. Either all lines have as many values as there
    /// are lines, or the n-th has n, and the rest mirrors them. A line that begins with
    /// `#` says where the figures come from. Values outside of
    /// [`Net::round_trip_limits_ms`] are set to the nearer limit.
    pub fn read_matrix(&mut self, text: &str) -> Result<(), String> {
        let mut lines: Vec<Vec<u32>> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |why: String| format!("line {number}: {why}");
            let values = self.line(line).map_err(wrong)?;
            let half = lines.len() + 1;
            let usual = if lines.get(1).is_some_and(|second| second.len() == 2) && lines[0].len() == 1 {
                half
            } else {
                lines.first().map_or(values.len(), Vec::len)
            };
            // The second line decides which of the two it is.
            let fits =
                values.len() == usual || (lines.len() == 1 && lines[0].len() == 1 && values.len() == 2);
            if !fits {
                return Err(wrong(format!("{} values, where {usual} are due", values.len())));
            }
            lines.push(values);
        }
        let sites = lines.len();
        let (first, last) = (lines.first().map_or(0, Vec::len), lines.last().map_or(0, Vec::len));
        if sites == 0 || sites > SITES_MAX || last != sites {
            return Err(format!("{sites} lines, the last with {last} values, are no square"));
        }
        let half = first < sites;
        let at = |a: usize, b: usize| if half && b > a { lines[b][a] } else { lines[a][b] };
        self.round_trip_us =
            (0..sites).flat_map(|a| (0..sites).map(move |b| (a, b))).map(|(a, b)| at(a, b)).collect();
        Ok(())
    }

    fn line(&self, line: &str) -> Result<Vec<u32>, String> {
        let fields = line.split(['\t', ',', ' ']).filter(|field| !field.is_empty());
        fields
            .map(|field| {
                let ms: f64 = field.parse().map_err(|_| format!("{field:?} is no number"))?;
                if !(0.0..=ROUND_TRIP_MAX_MS).contains(&ms) {
                    return Err(format!("{field} ms is no round trip"));
                }
                let us = (ms * 1_000.0) as u32;
                let limit = |ms: u32| ms.saturating_mul(1_000);
                Ok(match self.round_trip_limits_ms {
                    Some((least, most)) => us.max(limit(least)).min(limit(most)),
                    None => us,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, limits: Option<(u32, u32)>) -> Result<Vec<u32>, String> {
        let mut net = Net { round_trip_limits_ms: limits, ..Net::default() };
        net.read_matrix(text).map(|()| net.round_trip_us)
    }

    #[test]
    fn a_square_is_read_as_it_stands_and_half_of_one_is_mirrored() {
        let square = read("# measured by somebody\n0\t1.5\n\n20,0\n", None);
        assert_eq!(square, Ok(vec![0, 1_500, 20_000, 0]));
        let half = read("0\n1.5 0\n20 300.25 0\n", None);
        assert_eq!(half, Ok(vec![0, 1_500, 20_000, 1_500, 0, 300_250, 20_000, 300_250, 0]));
        assert_eq!(read("7", None), Ok(vec![7_000]));
    }

    #[test]
    fn values_outside_of_the_limits_are_set_to_the_nearer_one() {
        assert_eq!(read("0 2 400", Some((5, 300))).map_err(|_| ()), Err(()));
        assert_eq!(read("0\n400 0", Some((5, 300))), Ok(vec![5_000, 300_000, 300_000, 5_000]));
    }

    #[test]
    fn a_mistake_in_a_matrix_is_named_by_its_line() {
        let error = |text: &str| read(text, None).expect_err("a mistake");
        assert!(error("0 1\n# and now\n1 x\n").contains("line 3: \"x\" is no number"));
        assert!(error("0 1\n1 -4\n").contains("line 2: -4 ms is no round trip"));
        assert!(error("0 1\n1 NaN\n").contains("line 2: NaN ms is no round trip"));
        assert!(error("0 1\n1 0 3\n").contains("line 2: 3 values, where 2 are due"));
        assert!(error("0\n1 0\n2 1\n").contains("line 3: 2 values, where 3 are due"));
        for text in ["", "0 1", "0 1\n1 0\n1 0\n"] {
            assert!(error(text).contains("are no square"), "{text:?}");
        }
    }
}
