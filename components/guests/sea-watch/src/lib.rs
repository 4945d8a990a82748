//! Bright targets on open water, over HTTP: POST an image, get GeoJSON or boxes of pixels.

use sea_watch_detect::{DetectError, Settings, detect};
use serve::{BodyError, Guest, IncomingRequest, Method, ResponseOutparam};

/// A longer image is refused.
const IMAGE_BYTES_MAX: usize = 16 << 20;
const TEXT: &str = "text/plain; charset=utf-8";
const HELP: &str = "sea-watch finds bright targets on open water. POST a satellite image \
(GeoTIFF or PNG, 8 or 16 bits, grey or RGB, at most 16 MiB) and get GeoJSON, or boxes of pixels \
where the image does not say where it lies.\n\
  ?pfa=1e-5        probability of a false alarm a pixel\n\
  ?water=45        water is at most this bright in every band, of 255\n\
  ?pixels=12       a bright blob of more pixels is no target\n\
Example: curl --data-binary @scene.tif 'http://HOST/?pfa=1e-5'\n";

struct SeaWatch;

impl Guest for SeaWatch {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let (status, content_type, body) = match request.method() {
            Method::Post | Method::Put => match answer(&request) {
                Ok((content_type, json)) => (200, content_type, json),
                Err((status, reason)) => (status, TEXT, format!("{reason}\n")),
            },
            Method::Get | Method::Head => (200, TEXT, HELP.to_owned()),
            _ => (405, TEXT, "POST an image, or GET a line of help\n".to_owned()),
        };
        serve::respond(response_out, status, content_type, body.as_bytes());
    }
}

fn answer(request: &IncomingRequest) -> Result<(&'static str, String), (u16, String)> {
    let settings = settings(&request.path_with_query().unwrap_or_default())
        .map_err(|reason| (400, reason))?;
    let image = serve::read_body(request, IMAGE_BYTES_MAX).map_err(|error| match error {
        BodyError::TooLarge { .. } => (413, error.to_string()),
        BodyError::Broken => (400, error.to_string()),
    })?;
    let report = detect(&image, &settings).map_err(|error: DetectError| (400, error.to_string()))?;
    Ok((report.media_type(), report.json()))
}

fn settings(path: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    parse(path, "pfa", &mut settings.pfa)?;
    parse(path, "water", &mut settings.water_max)?;
    parse(path, "pixels", &mut settings.target_pixels_max)?;
    settings.check().map_err(|error| error.to_string())?;
    Ok(settings)
}

fn parse<T: std::str::FromStr>(path: &str, name: &str, into: &mut T) -> Result<(), String> {
    if let Some(value) = serve::query(path, name) {
        *into = value.parse().map_err(|_| format!("?{name}={value} is no number of its kind"))?;
    }
    Ok(())
}

serve::export!(SeaWatch);
