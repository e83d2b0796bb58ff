//! Responses of the admin port: all with the headers that keep browsers from guessing and keeping.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, Response, StatusCode};

use super::page;
use super::probe::Verdict;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
pub(super) const JSON: &str = "application/json";
const ROUTES: &str = "/livez\n/readyz\n/startupz\n/status\n/metrics\n";

pub(super) fn not_allowed(methods: &'static str) -> Response<Full<Bytes>> {
    let text = format!("only {methods} is understood here\n");
    let mut response = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(methods));
    response
}

/// The page for browsers, and for others what there is to ask for.
pub(super) fn front<B>(request: &Request<B>) -> Response<Full<Bytes>> {
    let accepts = request.headers().get(ACCEPT).map(HeaderValue::as_bytes);
    let is_browser = accepts.is_some_and(|accepts| accepts.starts_with(b"text/html"));
    if !is_browser {
        return response(StatusCode::OK, TEXT, ROUTES);
    }
    let mut response = response(StatusCode::OK, HTML, page::HTML);
    let policy = HeaderValue::from_static(page::POLICY);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    response
}

pub(super) fn verdict(verdict: Verdict) -> Response<Full<Bytes>> {
    match verdict {
        Ok(text) => response(StatusCode::OK, TEXT, format!("{text}\n")),
        Err(text) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{text}\n")),
    }
}

pub(super) fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
