//! Three numbers with a direction.

use std::ops::Sub;

/// A position or direction from the centre of the Earth, in kilometres unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Vec3 {
    /// Towards the first axis of the frame.
    pub x: f64,
    /// Towards the second.
    pub y: f64,
    /// Towards the north pole.
    pub z: f64,
}

impl Vec3 {
    /// The scalar product.
    pub fn dot(self, other: Vec3) -> f64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    /// The length.
    pub fn norm(self) -> f64 {
        self.dot(self).sqrt()
    }

    /// The vector product.
    pub fn cross(self, other: Vec3) -> Vec3 {
        Vec3 {
            x: self.y * other.z - self.z * other.y,
            y: self.z * other.x - self.x * other.z,
            z: self.x * other.y - self.y * other.x,
        }
    }
}

impl Sub for Vec3 {
    type Output = Vec3;

    fn sub(self, other: Vec3) -> Vec3 {
        Vec3 { x: self.x - other.x, y: self.y - other.y, z: self.z - other.z }
    }
}
