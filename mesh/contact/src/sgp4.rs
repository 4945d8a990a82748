//! SGP4 for satellites near the Earth (periods below 225 minutes), after Hoots and Roehrich,
//! "Spacetrack Report 3", and Vallado et al., "Revisiting Spacetrack Report 3", AIAA 2006-6753,
//! with the WGS-72 constants under which element sets are made.
//!
//! The `sgp4` crate is the reference in this crate's tests, and is not linked otherwise: its
//! `libm` feature calls `num_traits::Float`, which turns to the platform's sines as soon as any
//! crate of the build enables `num-traits/std`. Many do, and then two machines disagree.
//! Names of intermediate quantities are those of the report.

use crate::{Elements, Vec3};
use orbweave_model::Wall;
use std::f64::consts::TAU;
use thiserror::Error;

const MU: f64 = 398_600.8;
const RADIUS_KM: f64 = 6_378.135;
const J2: f64 = 0.001_082_616;
const J3: f64 = -0.000_002_538_81;
const J4: f64 = -0.000_001_655_97;
const J3_BY_J2: f64 = J3 / J2;
const TWO_THIRDS: f64 = 2.0 / 3.0;
/// From here on the Moon and the Sun count (SDP4).
const DEEP_SPACE_MINUTES: f64 = 225.0;
/// Beyond this the elements say nothing any more, whichever way.
const MINUTES_MAX: f64 = 10.0 * 365.25 * 1_440.0;
const KEPLER_STEPS_MAX: u32 = 10;
const KEPLER_PRECISION: f64 = 1e-12;

/// What SGP4 derives from elements once, to be asked for positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Propagator {
    epoch_ns: i128,
    bstar: f64,
    eccentricity: f64,
    inclination: f64,
    sin_i: f64,
    cos_i: f64,
    node: f64,
    perigee: f64,
    anomaly: f64,
    /// Mean motion as Brouwer defines it, radians a minute.
    motion: f64,
    /// Semi-major axis at the epoch, Earth radii.
    axis: f64,
    con41: f64,
    x1mth2: f64,
    x7thm1: f64,
    cc1: f64,
    cc4: f64,
    anomaly_dot: f64,
    perigee_dot: f64,
    node_dot: f64,
    node_cf: f64,
    t2cof: f64,
    xlcof: f64,
    aycof: f64,
    /// Absent for a perigee below 220 km, where the report truncates.
    drag: Option<Drag>,
}

/// The terms of higher order in the drag.
#[derive(Debug, Clone, PartialEq)]
struct Drag {
    eta: f64,
    omgcof: f64,
    xmcof: f64,
    delmo: f64,
    sin_anomaly: f64,
    cc5: f64,
    d2: f64,
    d3: f64,
    d4: f64,
    t3cof: f64,
    t4cof: f64,
    t5cof: f64,
}

impl Propagator {
    /// Prepares elements.
    pub fn new(elements: &Elements) -> Result<Self, PropagatorError> {
        let ecc = elements.eccentricity;
        let inclination = elements.inclination_deg.to_radians();
        let perigee = elements.perigee_deg.to_radians();
        let anomaly = elements.mean_anomaly_deg.to_radians();
        let kozai = elements.mean_motion * TAU / 1_440.0;
        let sane =
            [inclination, perigee, anomaly, elements.node_deg, elements.bstar].iter().all(|x| x.is_finite());
        if !(sane && (0.0..1.0).contains(&ecc) && kozai.is_finite() && kozai > 0.0) {
            return Err(PropagatorError::Elements);
        }

        let (sin_i, cos_i) = (libm::sin(inclination), libm::cos(inclination));
        let cos_i2 = cos_i * cos_i;
        let omeosq = 1.0 - ecc * ecc;
        let rteosq = omeosq.sqrt();
        let motion = brouwer_motion(kozai, cos_i2, rteosq * omeosq);
        if !(motion.is_finite() && motion > 0.0) {
            return Err(PropagatorError::Elements);
        }
        let period_min = TAU / motion;
        if period_min >= DEEP_SPACE_MINUTES {
            return Err(PropagatorError::DeepSpace { period_min: period_min as u32 });
        }

        let axis = libm::pow(ke() / motion, TWO_THIRDS);
        let po = axis * omeosq;
        let posq = po * po;
        let con42 = 1.0 - 5.0 * cos_i2;
        let con41 = -con42 - cos_i2 - cos_i2;
        let rp = axis * (1.0 - ecc);
        // The published cases begin with perigees below ground; an apogee there is no orbit.
        if axis * (1.0 + ecc) < 1.0 {
            return Err(PropagatorError::Elements);
        }

        let (sfour, qzms24) = atmosphere(rp);
        let tsi = 1.0 / (axis - sfour);
        let eta = axis * ecc * tsi;
        let etasq = eta * eta;
        let eeta = ecc * eta;
        let psisq = (1.0 - etasq).abs();
        let coef = qzms24 * tsi * tsi * tsi * tsi;
        let coef1 = coef / (psisq * psisq * psisq * psisq.sqrt());
        let cc2 = coef1
            * motion
            * (axis * (1.0 + 1.5 * etasq + eeta * (4.0 + etasq))
                + 0.375 * J2 * tsi / psisq * con41 * (8.0 + 3.0 * etasq * (8.0 + etasq)));
        let cc1 = elements.bstar * cc2;
        let x1mth2 = 1.0 - cos_i2;
        let cc4 = 2.0
            * motion
            * coef1
            * axis
            * omeosq
            * (eta * (2.0 + 0.5 * etasq) + ecc * (0.5 + 2.0 * etasq)
                - J2 * tsi / (axis * psisq)
                    * (-3.0 * con41 * (1.0 - 2.0 * eeta + etasq * (1.5 - 0.5 * eeta))
                        + 0.75 * x1mth2 * (2.0 * etasq - eeta * (1.0 + etasq)) * libm::cos(2.0 * perigee)));

        let cos_i4 = cos_i2 * cos_i2;
        let temp1 = 1.5 * J2 / posq * motion;
        let temp2 = 0.5 * temp1 * J2 / posq;
        let temp3 = -0.468_75 * J4 / posq / posq * motion;
        let xhdot1 = -temp1 * cos_i;
        // A retrograde equatorial orbit would divide by zero.
        let one_plus_cos = if (cos_i + 1.0).abs() > 1.5e-12 { 1.0 + cos_i } else { 1.5e-12 };

        let delmo_root = 1.0 + eta * libm::cos(anomaly);
        let drag = (rp >= 220.0 / RADIUS_KM + 1.0).then(|| {
            let eccentric = ecc > 1e-4;
            let cc3 = if eccentric { -2.0 * coef * tsi * J3_BY_J2 * motion * sin_i / ecc } else { 0.0 };
            let cc1sq = cc1 * cc1;
            let d2 = 4.0 * axis * tsi * cc1sq;
            let temp = d2 * tsi * cc1 / 3.0;
            let d3 = (17.0 * axis + sfour) * temp;
            let d4 = 0.5 * temp * axis * tsi * (221.0 * axis + 31.0 * sfour) * cc1;
            Drag {
                eta,
                omgcof: elements.bstar * cc3 * libm::cos(perigee),
                xmcof: if eccentric { -TWO_THIRDS * coef * elements.bstar / eeta } else { 0.0 },
                delmo: delmo_root * delmo_root * delmo_root,
                sin_anomaly: libm::sin(anomaly),
                cc5: 2.0 * coef1 * axis * omeosq * (1.0 + 2.75 * (etasq + eeta) + eeta * etasq),
                d2,
                d3,
                d4,
                t3cof: d2 + 2.0 * cc1sq,
                t4cof: 0.25 * (3.0 * d3 + cc1 * (12.0 * d2 + 10.0 * cc1sq)),
                t5cof: 0.2 * (3.0 * d4 + 12.0 * cc1 * d3 + 6.0 * d2 * d2 + 15.0 * cc1sq * (2.0 * d2 + cc1sq)),
            }
        });

        Ok(Self {
            epoch_ns: elements.epoch_ns,
            bstar: elements.bstar,
            eccentricity: ecc,
            inclination,
            sin_i,
            cos_i,
            node: elements.node_deg.to_radians(),
            perigee,
            anomaly,
            motion,
            axis,
            con41,
            x1mth2,
            x7thm1: 7.0 * cos_i2 - 1.0,
            cc1,
            cc4,
            anomaly_dot: motion
                + 0.5 * temp1 * rteosq * con41
                + 0.0625 * temp2 * rteosq * (13.0 - 78.0 * cos_i2 + 137.0 * cos_i4),
            perigee_dot: -0.5 * temp1 * con42
                + 0.0625 * temp2 * (7.0 - 114.0 * cos_i2 + 395.0 * cos_i4)
                + temp3 * (3.0 - 36.0 * cos_i2 + 49.0 * cos_i4),
            node_dot: xhdot1
                + (0.5 * temp2 * (4.0 - 19.0 * cos_i2) + 2.0 * temp3 * (3.0 - 7.0 * cos_i2)) * cos_i,
            node_cf: 3.5 * omeosq * xhdot1 * cc1,
            t2cof: 1.5 * cc1,
            xlcof: -0.25 * J3_BY_J2 * sin_i * (3.0 + 5.0 * cos_i) / one_plus_cos,
            aycof: -0.5 * J3_BY_J2 * sin_i,
            drag,
        })
    }

    /// When the elements were true.
    pub fn epoch(&self) -> Wall {
        Wall(u64::try_from(self.epoch_ns / 1_000_000).unwrap_or(0))
    }

    /// The position at a wall time, in the inertial frame (true equator, mean equinox).
    pub fn inertial(&self, wall: Wall) -> Result<Vec3, PropagatorError> {
        let since_ns = i128::from(wall.0) * 1_000_000 - self.epoch_ns;
        self.after(since_ns as f64 / 60e9)
    }

    /// The position so many minutes after the epoch (or before it), in the same frame.
    pub fn after(&self, t: f64) -> Result<Vec3, PropagatorError> {
        if t.is_nan() || t.abs() > MINUTES_MAX {
            return Err(PropagatorError::TooFar);
        }
        let secular = self.secular(t)?;
        self.short_period(secular)
    }

    /// Gravity's and the drag's slow effects.
    fn secular(&self, t: f64) -> Result<Secular, PropagatorError> {
        let t2 = t * t;
        let drifted = self.anomaly + self.anomaly_dot * t;
        let mut anomaly = drifted;
        let mut perigee = self.perigee + self.perigee_dot * t;
        let node = self.node + self.node_dot * t + self.node_cf * t2;
        let mut shrink = 1.0 - self.cc1 * t;
        let mut rounding = self.bstar * self.cc4 * t;
        let mut ahead = self.t2cof * t2;
        if let Some(drag) = &self.drag {
            let root = 1.0 + drag.eta * libm::cos(drifted);
            let shift = drag.omgcof * t + drag.xmcof * (root * root * root - drag.delmo);
            anomaly += shift;
            perigee -= shift;
            let (t3, t4) = (t2 * t, t2 * t2);
            shrink = shrink - drag.d2 * t2 - drag.d3 * t3 - drag.d4 * t4;
            rounding += self.bstar * drag.cc5 * (libm::sin(anomaly) - drag.sin_anomaly);
            ahead = ahead + drag.t3cof * t3 + t4 * (drag.t4cof + t * drag.t5cof);
        }
        let eccentricity = self.eccentricity - rounding;
        if !(-0.001..1.0).contains(&eccentricity) {
            return Err(PropagatorError::Decayed);
        }
        anomaly += self.motion * ahead;
        Ok(Secular {
            axis: self.axis * shrink * shrink,
            eccentricity: eccentricity.max(1e-6),
            anomaly: anomaly % TAU,
            perigee: perigee % TAU,
            node: node % TAU,
        })
    }

    /// The fast effects within a revolution, and the position that comes of all.
    fn short_period(&self, s: Secular) -> Result<Vec3, PropagatorError> {
        let inverse = 1.0 / (s.axis * (1.0 - s.eccentricity * s.eccentricity));
        let axn = s.eccentricity * libm::cos(s.perigee);
        let ayn = s.eccentricity * libm::sin(s.perigee) + inverse * self.aycof;
        let u = (s.anomaly + s.perigee + inverse * self.xlcof * axn) % TAU;
        let (sin_e, cos_e) = kepler(u, axn, ayn);

        let ecose = axn * cos_e + ayn * sin_e;
        let esine = axn * sin_e - ayn * cos_e;
        let el2 = axn * axn + ayn * ayn;
        let pl = s.axis * (1.0 - el2);
        if pl.is_nan() || pl <= 0.0 {
            return Err(PropagatorError::Decayed);
        }
        let rl = s.axis * (1.0 - ecose);
        let betal = (1.0 - el2).sqrt();
        let temp = esine / (1.0 + betal);
        let sin_u = s.axis / rl * (sin_e - ayn - axn * temp);
        let cos_u = s.axis / rl * (cos_e - axn + ayn * temp);
        let sin_2u = (cos_u + cos_u) * sin_u;
        let cos_2u = 1.0 - 2.0 * sin_u * sin_u;
        let temp1 = 0.5 * J2 / pl;
        let temp2 = temp1 / pl;

        let radius = rl * (1.0 - 1.5 * temp2 * betal * self.con41) + 0.5 * temp1 * self.x1mth2 * cos_2u;
        if radius.is_nan() || radius < 1.0 {
            return Err(PropagatorError::Decayed);
        }
        let latitude = libm::atan2(sin_u, cos_u) - 0.25 * temp2 * self.x7thm1 * sin_2u;
        let node = s.node + 1.5 * temp2 * self.cos_i * sin_2u;
        let inclination = self.inclination + 1.5 * temp2 * self.cos_i * self.sin_i * cos_2u;

        let (sin_l, cos_l) = (libm::sin(latitude), libm::cos(latitude));
        let (sin_n, cos_n) = (libm::sin(node), libm::cos(node));
        let (sin_i, cos_i) = (libm::sin(inclination), libm::cos(inclination));
        let km = radius * RADIUS_KM;
        Ok(Vec3 {
            x: km * (cos_n * cos_l - sin_n * cos_i * sin_l),
            y: km * (sin_n * cos_l + cos_n * cos_i * sin_l),
            z: km * sin_i * sin_l,
        })
    }
}

struct Secular {
    axis: f64,
    eccentricity: f64,
    anomaly: f64,
    perigee: f64,
    node: f64,
}

/// Root of the gravity constant, in Earth radii and minutes.
fn ke() -> f64 {
    60.0 / (RADIUS_KM * RADIUS_KM * RADIUS_KM / MU).sqrt()
}

/// Element sets carry the mean motion as Kozai defined it; the theory wants Brouwer's.
fn brouwer_motion(kozai: f64, cos_i2: f64, omeosq_three_halves: f64) -> f64 {
    let ak = libm::pow(ke() / kozai, TWO_THIRDS);
    let d1 = 0.75 * J2 * (3.0 * cos_i2 - 1.0) / omeosq_three_halves;
    let del = d1 / (ak * ak);
    let adel = ak * (1.0 - del * del - del * (1.0 / 3.0 + 134.0 * del * del / 81.0));
    kozai / (1.0 + d1 / (adel * adel))
}

/// The two parameters of the density of the air, for a perigee radius in Earth radii.
fn atmosphere(rp: f64) -> (f64, f64) {
    let perigee_km = (rp - 1.0) * RADIUS_KM;
    let s_km = if perigee_km < 98.0 {
        20.0
    } else if perigee_km < 156.0 {
        perigee_km - 78.0
    } else {
        78.0
    };
    let q = (120.0 - s_km) / RADIUS_KM;
    (s_km / RADIUS_KM + 1.0, q * q * q * q)
}

/// Kepler's equation by Newton's steps; sine and cosine of the eccentric longitude.
fn kepler(u: f64, axn: f64, ayn: f64) -> (f64, f64) {
    let mut longitude = u;
    let (mut sin, mut cos) = (libm::sin(u), libm::cos(u));
    for _ in 0..KEPLER_STEPS_MAX {
        let step = (u - ayn * cos + axn * sin - longitude) / (1.0 - cos * axn - sin * ayn);
        let step = step.clamp(-0.95, 0.95);
        longitude += step;
        if step.abs() < KEPLER_PRECISION {
            break;
        }
        (sin, cos) = (libm::sin(longitude), libm::cos(longitude));
    }
    (sin, cos)
}

/// Why SGP4 gives no position.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PropagatorError {
    /// Numbers that no orbit has.
    #[error("its elements are of no orbit around the Earth; fetch them again")]
    Elements,
    /// Too far out for this theory.
    #[error(
        "its period of {period_min} minutes is 225 or more, where Moon and Sun count (SDP4), which \
         is not computed here; describe its contacts by a pass table"
    )]
    DeepSpace {
        /// Of one revolution.
        period_min: u32,
    },
    /// It fell.
    #[error("by its elements it has decayed by then; fetch newer ones")]
    Decayed,
    /// The time asked for is years from the epoch.
    #[error("the time asked for is more than ten years from the epoch of its elements; fetch newer ones")]
    TooFar,
}
