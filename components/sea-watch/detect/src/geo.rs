use crate::utm::Utm;

/// Where an image lies.
#[derive(Clone, Debug, PartialEq)]
pub enum Georeference {
    /// It does not say.
    None,
    /// It says so in a way that this does not know; the reason, in words.
    Unknown(String),
    /// Pixels can be turned into longitude and latitude.
    Known {
        /// Pixel to map coordinates: x = a·column + b·row + c, y = d·column + e·row + f.
        affine: [f64; 6],
        /// What the map coordinates are.
        projection: Projection,
    },
}

/// Map coordinates that can be turned into longitude and latitude.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Projection {
    /// They are degrees already.
    Geographic,
    /// Universal Transverse Mercator, WGS 84.
    Utm(Utm),
}

/// Degrees, WGS 84.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LonLat {
    /// East is positive.
    pub longitude: f64,
    /// North is positive.
    pub latitude: f64,
}

/// The tags of a GeoTIFF (OGC 19-008r4) that place it.
pub(crate) struct GeoTags {
    pub(crate) scale: Option<Vec<f64>>,
    pub(crate) tiepoint: Option<Vec<f64>>,
    pub(crate) transformation: Option<Vec<f64>>,
    pub(crate) keys: Vec<u16>,
}

const MODEL_TYPE: u16 = 1024;
const RASTER_TYPE: u16 = 1025;
const GEODETIC_CRS: u16 = 2048;
const PROJECTED_CRS: u16 = 3072;

const MODEL_PROJECTED: u16 = 1;
const MODEL_GEOGRAPHIC: u16 = 2;
const PIXEL_IS_POINT: u16 = 2;
const EPSG_WGS84: u16 = 4326;

impl Georeference {
    pub(crate) fn from_tags(tags: &GeoTags) -> Self {
        let Some(mut affine) = tags.affine() else { return Self::None };
        if affine.iter().any(|coefficient| !coefficient.is_finite()) {
            return Self::Unknown("its geotransform is not finite".to_owned());
        }
        if tags.key(RASTER_TYPE) == Some(PIXEL_IS_POINT) {
            let [a, b, c, d, e, f] = affine;
            affine = [a, b, c - (a + b) / 2.0, d, e, f - (d + e) / 2.0];
        }
        match tags.projection() {
            Ok(projection) => Self::Known { affine, projection },
            Err(reason) => Self::Unknown(reason),
        }
    }

    /// The place of a point of the image; (0, 0) is the upper left corner of the first pixel.
    pub fn lon_lat(&self, column: f64, row: f64) -> Option<LonLat> {
        let Self::Known { affine: [a, b, c, d, e, f], projection } = self else { return None };
        let (x, y) = (a * column + b * row + c, d * column + e * row + f);
        let place = match projection {
            Projection::Geographic => LonLat { longitude: x, latitude: y },
            Projection::Utm(utm) => utm.lon_lat(x, y),
        };
        let on_earth = place.longitude.abs() <= 360.0 && place.latitude.abs() <= 90.0;
        on_earth.then_some(place)
    }
}

impl GeoTags {
    fn affine(&self) -> Option<[f64; 6]> {
        if let Some([a, b, _, c, d, e, _, f, ..]) = self.transformation.as_deref() {
            return Some([*a, *b, *c, *d, *e, *f]);
        }
        let [column, row, _, x, y, ..] = *self.tiepoint.as_deref()? else { return None };
        let [width, height, ..] = *self.scale.as_deref()? else { return None };
        Some([width, 0.0, x - column * width, 0.0, -height, y + row * height])
    }

    /// A key whose value stands in the directory itself.
    fn key(&self, id: u16) -> Option<u16> {
        let entries = self.keys.get(4..)?.chunks_exact(4);
        entries.into_iter().find_map(|entry| match *entry {
            [key, 0, 1, value] if key == id => Some(value),
            _ => None,
        })
    }

    fn projection(&self) -> Result<Projection, String> {
        match self.key(MODEL_TYPE) {
            Some(MODEL_GEOGRAPHIC) => match self.key(GEODETIC_CRS) {
                Some(EPSG_WGS84) | None => Ok(Projection::Geographic),
                Some(code) => Err(format!("EPSG:{code} is not supported: use EPSG:4326")),
            },
            Some(MODEL_PROJECTED) => match self.key(PROJECTED_CRS) {
                Some(code) => Utm::from_epsg(code)
                    .map(Projection::Utm)
                    .ok_or_else(|| format!("EPSG:{code} is not supported: use WGS 84 / UTM or EPSG:4326")),
                None => Err("its projection has no EPSG code".to_owned()),
            },
            _ => Err("it does not say in what its coordinates are".to_owned()),
        }
    }
}
