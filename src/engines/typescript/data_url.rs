//! Modules that come with their own source: `data:` URLs (RFC 2397).

use deno_core::ModuleSpecifier;
use deno_error::JsErrorBox;

use crate::protocol::MediaType;

/// Media type and source of a module.
pub(super) fn module(url: &ModuleSpecifier) -> Result<(MediaType, String), JsErrorBox> {
    let (media_type, source) = parse(url)?;
    let media_type = match media_type.as_str() {
        "text/javascript" => MediaType::JavaScript,
        "application/typescript" => MediaType::TypeScript,
        "application/json" => MediaType::Json,
        // RFC 9239 made text/javascript the one name and the others obsolete.
        other => {
            return Err(JsErrorBox::type_error(format!(
                "A data: module must have the type text/javascript, application/typescript \
                 or application/json, not \"{other}\""
            )));
        }
    };
    Ok((media_type, source))
}

/// Media type and decoded body.
fn parse(url: &ModuleSpecifier) -> Result<(String, String), JsErrorBox> {
    let invalid = || JsErrorBox::type_error("Unable to decode the data: URL");
    let url = data_url::DataUrl::process(url.as_str()).map_err(|_| invalid())?;
    let mime = url.mime_type();
    let media_type = format!("{}/{}", mime.type_, mime.subtype);
    let (body, _) = url.decode_to_vec().map_err(|_| invalid())?;
    Ok((media_type, String::from_utf8(body).map_err(|_| invalid())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_url_is_decoded_with_its_type() {
        let parse = |url: &str| parse(&ModuleSpecifier::parse(url).unwrap()).unwrap();
        assert_eq!(
            parse("data:text/javascript;charset=utf-8;base64,ZXhwb3J0IGRlZmF1bHQgMQ=="),
            ("text/javascript".into(), "export default 1".into())
        );
        assert_eq!(parse("data:application/json,%7B%7D"), ("application/json".into(), "{}".into()));
    }
}
