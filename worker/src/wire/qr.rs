//! A text as a QR code (ISO/IEC 18004), drawn as SVG: for an app that reads it from the screen.

use qrcodegen_no_heap::{QrCode, QrCodeEcc, Version};
use std::fmt::Write as _;

/// Modules of light that a symbol has to have around it (§5.3.8).
const QUIET_ZONE: i32 = 4;

/// The code, black on white, as wide as it is put. `None` for a text that no symbol holds: more than 2,331 bytes.
pub(crate) fn svg(text: &str) -> Option<String> {
    let mut scratch = vec![0; Version::MAX.buffer_len()];
    let mut symbol = scratch.clone();
    scratch.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    let (level, smallest, largest) = (QrCodeEcc::Medium, Version::MIN, Version::MAX);
    // As bytes: the library's reading of texts as digits would be half of it, and URIs are none.
    let code =
        QrCode::encode_binary(&mut scratch, text.len(), &mut symbol, level, smallest, largest, None, true)
            .ok()?;
    let size = code.size();
    let side = size.saturating_add(QUIET_ZONE.saturating_mul(2));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/><path d=\""
    );
    for y in 0..size {
        let mut x = 0;
        while x < size {
            let dark = (x..size).take_while(|x| code.get_module(*x, y)).count();
            let dark = i32::try_from(dark).unwrap_or(0);
            if dark > 0 {
                let (left, top) = (x.saturating_add(QUIET_ZONE), y.saturating_add(QUIET_ZONE));
                // Writing to a text cannot fail.
                let _ = write!(svg, "M{left} {top}h{dark}v1h-{dark}z");
            }
            x = x.saturating_add(dark).saturating_add(1);
        }
    }
    svg.push_str("\"/></svg>");
    Some(svg)
}
