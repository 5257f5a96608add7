//! The two text formats of `/metrics`, and which one a client gets.

/// A text format of `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// OpenMetrics 1.0, which Prometheus requests.
    OpenMetrics,
    /// The older text format of Prometheus, for all other clients: agents, curl, `promtool check metrics`.
    Text,
}

impl Format {
    /// The format for a request with this `Accept` header. OpenMetrics only if the client names it.
    pub fn of_accept(accept: Option<&str>) -> Format {
        let wanted = accept.is_some_and(|accept| {
            accept.split(',').any(|range| {
                let mut parts = range.split(';').map(str::trim);
                parts.next() == Some("application/openmetrics-text")
                    && !parts.any(|parameter| {
                        parameter
                            .strip_prefix("q=")
                            .is_some_and(|q| q.parse() == Ok(0.0))
                    })
            })
        });
        if wanted {
            Format::OpenMetrics
        } else {
            Format::Text
        }
    }

    /// Its content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Converts from OpenMetrics. In the older format, a family has the name of its samples, and `info`, `unknown`,
    /// `UNIT` and `EOF` do not exist.
    pub(super) fn convert(self, open_metrics: String) -> String {
        if self == Format::OpenMetrics {
            return open_metrics;
        }
        let kinds = open_metrics.lines().filter_map(|line| {
            let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
            Some((name, kind))
        });
        let kinds: std::collections::HashMap<&str, &str> = kinds.collect();
        let mut text = String::with_capacity(open_metrics.len());
        for line in open_metrics.lines() {
            let described = ["# HELP ", "# TYPE "].into_iter().find_map(|keyword| {
                let (name, rest) = line.strip_prefix(keyword)?.split_once(' ')?;
                Some((keyword, name, rest))
            });
            match described {
                Some((keyword, name, rest)) => {
                    let (suffix, kind) = match kinds.get(name).copied() {
                        Some("counter") => ("_total", "counter"),
                        Some("info") => ("_info", "gauge"),
                        Some("unknown") => ("", "untyped"),
                        Some(kind) => ("", kind),
                        None => ("", rest),
                    };
                    let rest = if keyword == "# TYPE " { kind } else { rest };
                    text.extend([keyword, name, suffix, " ", rest, "\n"]);
                }
                None if line.starts_with('#') => {}
                None => text.extend([line, "\n"]),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_those_who_ask_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, format) in [
            (Some(prometheus), Format::OpenMetrics),
            (
                Some("text/plain, application/openmetrics-text; q=0.3"),
                Format::OpenMetrics,
            ),
            (
                Some("application/openmetrics-text;q=0, text/plain"),
                Format::Text,
            ),
            (Some("text/plain;version=0.0.4"), Format::Text),
            (Some("*/*"), Format::Text),
            (Some(""), Format::Text),
            (None, Format::Text),
        ] {
            assert_eq!(Format::of_accept(accept), format, "{accept:?}");
        }
    }

    #[test]
    fn in_the_older_format_a_family_is_named_as_its_samples_are() {
        let open = "# HELP a_seconds Time.\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1.0\n\
                    # HELP b Times.\n# TYPE b counter\nb_total{x=\"# TYPE b counter\"} 2\n\
                    # HELP c Which.\n# TYPE c info\nc_info{version=\"1\"} 1\n# EOF\n";
        let text = "# HELP a_seconds Time.\n# TYPE a_seconds gauge\na_seconds 1.0\n\
                    # HELP b_total Times.\n# TYPE b_total counter\nb_total{x=\"# TYPE b counter\"} 2\n\
                    # HELP c_info Which.\n# TYPE c_info gauge\nc_info{version=\"1\"} 1\n";
        assert_eq!(Format::Text.convert(open.to_owned()), text);
        assert_eq!(Format::OpenMetrics.convert(open.to_owned()), open);
    }
}
