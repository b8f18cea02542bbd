//! Cloudflare Worker.
