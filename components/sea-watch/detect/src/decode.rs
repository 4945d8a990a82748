use std::io::Cursor;

use tiff::ColorType as TiffColor;
use tiff::decoder::{Decoder as TiffDecoder, DecodingResult, Limits as TiffLimits};
use tiff::tags::Tag;

use crate::geo::{GeoTags, Georeference};
use crate::raster::Raster;

/// An image of more pixels is refused before any is decoded.
pub const PIXELS_MAX: u64 = 16 << 20;
/// And so is one that is wider or higher.
pub const SIDE_MAX: u32 = 32_768;

/// Samples of a decoded image, in bytes: four bands of 16 bits.
const DECODED_BYTES_MAX: usize = PIXELS_MAX as usize * 8;
/// A strip or tile while it is decompressed.
const PIECE_BYTES_MAX: usize = DECODED_BYTES_MAX;
/// One TIFF tag's value: strip offsets of the largest image fit.
const TAG_BYTES_MAX: usize = 1 << 20;

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The first bytes are of neither format.
    #[error("this is neither a TIFF nor a PNG image: send one of these")]
    UnknownFormat,
    /// See [`PIXELS_MAX`] and [`SIDE_MAX`].
    #[error(
        "the image is {width} x {height} pixels: send at most {PIXELS_MAX} pixels, \
         {SIDE_MAX} on a side"
    )]
    TooLarge {
        /// As its header says.
        width: u32,
        /// As its header says.
        height: u32,
    },
    /// A kind of image that this does not read.
    #[error("the image holds {0}: send 8- or 16-bit grey, RGB or RGBA samples, interleaved")]
    Unsupported(String),
    /// Not what its format prescribes.
    #[error("the {format} image is damaged: {reason}")]
    Malformed {
        /// TIFF or PNG.
        format: &'static str,
        /// What the decoder says.
        reason: String,
    },
}

/// Reads a TIFF with its georeference, or a PNG, which has none.
pub fn decode(image: &[u8]) -> Result<(Raster, Georeference), DecodeError> {
    match image {
        [b'I', b'I', ..] | [b'M', b'M', ..] => decode_tiff(image),
        [0x89, b'P', b'N', b'G', ..] => decode_png(image).map(|raster| (raster, Georeference::None)),
        _ => Err(DecodeError::UnknownFormat),
    }
}

fn check_size(width: u32, height: u32) -> Result<(), DecodeError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > PIXELS_MAX || width > SIDE_MAX || height > SIDE_MAX {
        return Err(DecodeError::TooLarge { width, height });
    }
    Ok(())
}

fn decode_tiff(image: &[u8]) -> Result<(Raster, Georeference), DecodeError> {
    let malformed = |error: tiff::TiffError| match error {
        tiff::TiffError::UnsupportedError(what) => DecodeError::Unsupported(what.to_string()),
        error => DecodeError::Malformed { format: "TIFF", reason: error.to_string() },
    };
    let mut limits = TiffLimits::default();
    limits.decoding_buffer_size = DECODED_BYTES_MAX;
    limits.intermediate_buffer_size = PIECE_BYTES_MAX;
    limits.ifd_value_size = TAG_BYTES_MAX;
    let mut decoder = TiffDecoder::new(Cursor::new(image)).map_err(malformed)?.with_limits(limits);
    let (width, height) = decoder.dimensions().map_err(malformed)?;
    check_size(width, height)?;

    let color = decoder.colortype().map_err(malformed)?;
    let bands = match color {
        TiffColor::Gray(8 | 16) => 1,
        TiffColor::GrayA(8 | 16) => 2,
        TiffColor::RGB(8 | 16) => 3,
        TiffColor::RGBA(8 | 16) => 4,
        other => return Err(DecodeError::Unsupported(format!("{other:?} samples"))),
    };
    let planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).map_err(malformed)?;
    if bands > 1 && planar.is_some_and(|planar| planar != 1) {
        return Err(DecodeError::Unsupported("its bands one after the other".to_owned()));
    }
    let tags = GeoTags {
        scale: decoder.get_tag_f64_vec(Tag::ModelPixelScaleTag).ok(),
        tiepoint: decoder.get_tag_f64_vec(Tag::ModelTiepointTag).ok(),
        transformation: decoder.get_tag_f64_vec(Tag::ModelTransformationTag).ok(),
        keys: decoder.get_tag_u16_vec(Tag::GeoKeyDirectoryTag).unwrap_or_default(),
    };
    let samples = match decoder.read_image().map_err(malformed)? {
        DecodingResult::U8(samples) => samples,
        DecodingResult::U16(samples) => samples.into_iter().map(|sample| sample.to_be_bytes()[0]).collect(),
        _ => return Err(DecodeError::Unsupported("samples that are no whole numbers".to_owned())),
    };
    let raster = raster("TIFF", width, height, bands, &samples)?;
    Ok((raster, Georeference::from_tags(&tags)))
}

fn decode_png(image: &[u8]) -> Result<Raster, DecodeError> {
    let malformed =
        |error: png::DecodingError| DecodeError::Malformed { format: "PNG", reason: error.to_string() };
    let limits = png::Limits { bytes: DECODED_BYTES_MAX };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(image), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(malformed)?;
    check_size(header.width, header.height)?;

    let mut reader = decoder.read_info().map_err(malformed)?;
    let (width, height) = reader.info().size();
    let bytes = reader.output_buffer_size().filter(|&bytes| bytes <= DECODED_BYTES_MAX);
    let Some(bytes) = bytes else {
        return Err(DecodeError::TooLarge { width, height });
    };
    let mut samples = vec![0; bytes];
    let frame = reader.next_frame(&mut samples).map_err(malformed)?;
    raster("PNG", width, height, frame.color_type.samples(), &samples)
}

fn raster(
    format: &'static str,
    width: u32,
    height: u32,
    bands: usize,
    samples: &[u8],
) -> Result<Raster, DecodeError> {
    Raster::from_samples(width as usize, height as usize, bands, samples).ok_or_else(|| {
        let reason =
            format!("{} samples where {width} x {height} pixels of {bands} were announced", samples.len());
        DecodeError::Malformed { format, reason }
    })
}
