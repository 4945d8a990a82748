/// What can be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The probability that a pixel of empty water raises an alarm, 10⁻⁸ to 10⁻².
    pub pfa: f64,
    /// Water is at most this bright in every band, of 255.
    pub water_max: u8,
    /// A bright blob of more pixels is no target.
    pub target_pixels_max: u32,
    /// Pixels on each side of the one under test that may belong to the same target.
    pub guard: usize,
    /// Pixels on each side of the one under test that the training window reaches.
    pub training: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { pfa: 1e-5, water_max: 45, target_pixels_max: 12, guard: 3, training: 12 }
    }
}

/// A setting outside its range.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// See [`Settings::pfa`].
    #[error("pfa is {0}: choose a false-alarm probability from 1e-8 to 1e-2")]
    Pfa(f64),
    /// See [`Settings::guard`] and [`Settings::training`].
    #[error("guard {guard} and training {training}: choose guard < training <= {TRAINING_MAX}")]
    Windows {
        /// As given.
        guard: usize,
        /// As given.
        training: usize,
    },
}

/// A wider training window would overflow its sums.
const TRAINING_MAX: usize = 15;

impl Settings {
    /// Whether every setting is in its range.
    pub fn check(&self) -> Result<(), SettingsError> {
        if !(1e-8..=1e-2).contains(&self.pfa) {
            return Err(SettingsError::Pfa(self.pfa));
        }
        if self.guard >= self.training || self.training > TRAINING_MAX {
            let Self { guard, training, .. } = *self;
            return Err(SettingsError::Windows { guard, training });
        }
        Ok(())
    }
}
