//! Content types by the ends of file names. Must not know files.

/// The content type of a file, and the gain from compressing its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) content_type: &'static str,
    pub(super) squeeze: Squeeze,
}

/// The gain from compressing a file: precompressed neighbours are looked for if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Squeeze {
    Worthwhile,
    /// The format is compressed already.
    Useless,
}

const UNKNOWN: Kind =
    Kind { content_type: "application/octet-stream", squeeze: Squeeze::Worthwhile };

/// Returns the kind of a file with this name.
pub(super) fn kind_of(name: &str) -> Kind {
    let Some((stem, end)) = name.rsplit_once('.') else { return UNKNOWN };
    if stem.is_empty() || stem.ends_with('/') || end.len() > 11 {
        return UNKNOWN;
    }
    let end = end.to_ascii_lowercase();
    let find = |table: &[(&str, &'static str)]| {
        table.iter().find(|(ends, _)| ends.split(' ').any(|one| one == end)).map(|(_, kind)| *kind)
    };
    let kind = |squeeze| move |content_type| Kind { content_type, squeeze };
    find(TEXT)
        .map(kind(Squeeze::Worthwhile))
        .or_else(|| find(PACKED).map(kind(Squeeze::Useless)))
        .unwrap_or(UNKNOWN)
}

/// Formats that compress well, with the charset where the type has one. The types are those
/// registered with IANA.
const TEXT: &[(&str, &str)] = &[
    ("html htm", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    // RFC 9239 has made this the only type for scripts.
    ("js mjs cjs", "text/javascript; charset=utf-8"),
    ("json map", "application/json"),
    ("txt text log conf ini", "text/plain; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("xml xsl xsd", "application/xml"),
    ("wasm", "application/wasm"),
    ("md markdown", "text/markdown; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("tsv", "text/tab-separated-values; charset=utf-8"),
    ("ics", "text/calendar; charset=utf-8"),
    ("vcf", "text/vcard; charset=utf-8"),
    ("vtt", "text/vtt; charset=utf-8"),
    ("yaml yml", "application/yaml"),
    ("toml", "application/toml"),
    ("rs c h cpp hpp py go java rb sh sql tex", "text/plain; charset=utf-8"),
    ("diff patch", "text/x-diff; charset=utf-8"),
    ("webmanifest", "application/manifest+json"),
    ("jsonld", "application/ld+json"),
    ("geojson", "application/geo+json"),
    ("ndjson", "application/x-ndjson"),
    ("xhtml", "application/xhtml+xml"),
    ("rss", "application/rss+xml"),
    ("atom", "application/atom+xml"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("mpd", "application/dash+xml"),
    ("rtf", "application/rtf"),
    ("ps eps ai", "application/postscript"),
    ("bmp", "image/bmp"),
    ("ico", "image/vnd.microsoft.icon"),
    ("wav", "audio/wav"),
    ("mid midi", "audio/midi"),
    ("ttf", "font/ttf"),
    ("otf", "font/otf"),
    ("ttc", "font/collection"),
    ("doc", "application/msword"),
    ("xls", "application/vnd.ms-excel"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("tar", "application/x-tar"),
    ("gltf", "model/gltf+json"),
    ("glb", "model/gltf-binary"),
    ("stl", "model/stl"),
];

/// Formats that are compressed already.
const PACKED: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpg jpeg jpe", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("jxl", "image/jxl"),
    ("heic", "image/heic"),
    ("tif tiff", "image/tiff"),
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("aac", "audio/aac"),
    ("flac", "audio/flac"),
    ("ogg oga opus", "audio/ogg"),
    ("weba", "audio/webm"),
    ("mp4 m4v", "video/mp4"),
    ("webm", "video/webm"),
    ("ogv", "video/ogg"),
    ("mpg mpeg", "video/mpeg"),
    ("mov", "video/quicktime"),
    ("mkv", "video/matroska"),
    ("avi", "video/vnd.avi"),
    ("ts", "video/mp2t"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("pdf", "application/pdf"),
    ("epub", "application/epub+zip"),
    ("zip", "application/zip"),
    ("gz tgz", "application/gzip"),
    ("br", "application/octet-stream"),
    ("zst", "application/zstd"),
    ("bz2", "application/x-bzip2"),
    ("xz", "application/x-xz"),
    ("7z", "application/x-7z-compressed"),
    ("jar", "application/java-archive"),
    ("apk", "application/vnd.android.package-archive"),
    ("deb", "application/vnd.debian.binary-package"),
    ("rpm", "application/x-rpm"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
];
