//! Checks the cause that is found for each known report of Codex and its backend.

use std::time::{Duration, SystemTime};

use super::causes::CAUSES;
use super::report::{IMAGE_CALL_FAILED, LAST_DATE, Report, unescape};
use super::reset_time::reset_time;
use super::*;
use crate::codex::events::ExecEvent;

use KnownReport::{Code, FailedTurn, LastLine, Stderr};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn at(time: SystemTime) -> Zoned {
    Zoned::try_from(time).unwrap()
}

fn from_stderr(line: &str) -> Option<Diagnosis> {
    let mut stderr = StderrDigest::default();
    stderr.note(line.as_bytes());
    diagnose(&Transcript::default(), &stderr, None, &at(NOW))
}

fn from_turn(message: &str) -> Option<Diagnosis> {
    let mut transcript = Transcript::default();
    transcript.note(&ExecEvent::TurnFailed(message.into()));
    diagnose(&transcript, &StderrDigest::default(), None, &at(NOW))
}

fn from_exit(stderr: &str, exit: Exit) -> Option<Diagnosis> {
    let mut digest = StderrDigest::default();
    digest.tail.push(stderr.as_bytes());
    diagnose(&Transcript::default(), &digest, Some(exit), &at(NOW))
}

fn code(diagnosis: Option<Diagnosis>) -> Option<&'static str> {
    diagnosis.map(|diagnosis| diagnosis.cause.code())
}

const ROUTER: &str = "2026-11-22T10:46:16.278818Z ERROR codex_core::tools::router: error=";

#[test]
fn a_report_of_the_image_call_has_its_cause() {
    // Printed by 0.169.0, with code mode and with direct tools; the unsupported call also by
    // 0.132.0.
    for (report, expected) in [
        (
            r#"image generation failed: http 401 Unauthorized: Some("{\"error\":{\"type\":null,\"code\":\"token_expired\",\"message\":\"Provided authentication token is expired. Please try signing in again.\",\"param\":null}}")"#,
            "NOT_SIGNED_IN",
        ),
        (r#"image generation failed: http 404 Not Found: Some("{\"detail\":\"Not Found\"}")"#, "BACKEND_ERROR"),
        (
            r#"image generation failed: http 500 Internal Server Error: Some("{\"error\":{\"type\":\"server_error\",\"code\":null,\"message\":\"The server had an error while processing your request. Sorry about that!\",\"param\":null}}")"#,
            "BACKEND_ERROR",
        ),
        ("image generation failed: network error: error sending request", "BACKEND_ERROR"),
        (
            r#"image generation failed: http 400 Bad Request: Some("{\"error\":{\"type\":\"image_generation_user_error\",\"code\":\"moderation_blocked\",\"message\":\"Your request was rejected by the safety system. safety_violations=[violence].\",\"param\":null}}")"#,
            "SAFETY_REJECTED",
        ),
        (
            r#"image generation failed: http 429 Too Many Requests: Some("{\"error\":{\"type\":\"requests\",\"code\":\"rate_limit_exceeded\",\"message\":\"Rate limit reached for gpt-image on images per min. Please try again in 1s.\",\"param\":null}}")"#,
            "RATE_LIMITED",
        ),
        ("image generation failed: http 429 Too Many Requests: None", "RATE_LIMITED"),
        ("unsupported call: image_genimagegen", "IMAGE_GEN_UNAVAILABLE"),
    ] {
        assert_eq!(code(from_stderr(&format!("{ROUTER}{report}"))), Some(expected), "{report}");
    }
    assert_eq!(from_stderr("ERROR rmcp::transport::worker: worker quit"), None);
    assert_eq!(from_stderr("image generation failed: something new"), None);
}

#[test]
fn the_reset_time_of_a_usage_limit_is_read() {
    let report = r#"image generation failed: http 429 Too Many Requests: Some("{\"error\":{\"type\":\"usage_limit_reached\",\"code\":null,\"message\":\"The usage limit has been reached\",\"plan_type\":\"plus\",\"resets_at\":1795349765,\"resets_in_seconds\":5400}}")"#;
    let diagnosis = from_stderr(&format!("{ROUTER}{report}")).unwrap();
    assert_eq!(diagnosis.cause, Cause::UsageLimit { resets_in: Some(Duration::from_secs(5400)) });
    assert_eq!(diagnosis.resets_at, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_349_765)));

    let relative = from_stderr(&usage_limit(r#","resets_in_seconds":60"#)).unwrap();
    assert_eq!(relative.resets_at, Some(NOW + Duration::from_secs(60)));
}

/// Returns an image call's report of a usage limit, with `members` added to its JSON.
fn usage_limit(members: &str) -> String {
    let body = format!(r#"{{"error":{{"type":"usage_limit_reached"{members}}}}}"#);
    format!("{ROUTER}image generation failed: http 429 Too Many Requests: Some({body:?})")
}

#[test]
fn an_invalid_member_does_not_hide_the_others() {
    let unknown = Diagnosis { cause: Cause::UsageLimit { resets_in: None }, resets_at: None };
    for members in [
        r#","resets_in_seconds":60.5"#,
        r#","resets_in_seconds":"60""#,
        r#","resets_in_seconds":-60"#,
        r#","resets_in_seconds":null"#,
        r#","resets_in_seconds":1e400"#,
        r#","resets_at":1795349765.5"#,
        r#","resets_at":"2026-11-22T12:16:05Z""#,
        r#","resets_at":-1"#,
        r#","resets_at":{"seconds":1}"#,
        r#","code":429"#,
        r#","code":["x"]"#,
        r#","status":"429""#,
    ] {
        assert_eq!(from_stderr(&usage_limit(members)).as_ref(), Some(&unknown), "{members}");
    }
    let other = from_stderr(&usage_limit(r#","resets_at":"soon","resets_in_seconds":60"#)).unwrap();
    assert_eq!(other.cause, Cause::UsageLimit { resets_in: Some(Duration::from_secs(60)) });
    let numeric = r#"{"error":{"type":"image_generation_user_error","code":"moderation_blocked","status":1.5}}"#;
    assert_eq!(code(from_turn(numeric)), Some("SAFETY_REJECTED"));
}

#[test]
fn a_reset_time_that_no_date_can_represent_is_left_out() {
    // A JavaScript `Date` ends 8.64e15 ms after 1970.
    for seconds in [8_640_000_000_001, i64::MAX.unsigned_abs(), u64::MAX] {
        for member in ["resets_at", "resets_in_seconds"] {
            let diagnosis = from_stderr(&usage_limit(&format!(r#","{member}":{seconds}"#))).unwrap();
            assert_eq!(diagnosis.cause, Cause::UsageLimit { resets_in: None }, "{member} {seconds}");
            assert_eq!(diagnosis.resets_at, None, "{member} {seconds}");
        }
    }
    let last = from_stderr(&usage_limit(r#","resets_at":8640000000000"#)).unwrap();
    assert_eq!(last.resets_at, NOW.checked_add(LAST_DATE));
    let both = from_stderr(&usage_limit(r#","resets_at":18446744073709551615,"resets_in_seconds":60"#)).unwrap();
    assert_eq!(both.resets_at, Some(NOW + Duration::from_secs(60)));
}

/// A text that reports a failure, by the output that Codex prints it in.
#[derive(Debug, Clone, Copy)]
enum KnownReport {
    /// Line of stderr, anywhere in it.
    Stderr(&'static str),
    /// Message of the event `turn.failed`.
    FailedTurn(&'static str),
    /// Last line of stderr before Codex exits with an error, without that event.
    LastLine(&'static str),
    /// Code in the backend's JSON, which is the message of `turn.failed`.
    Code(&'static str),
}

/// Reports of the real CLI and its backend that have one cause.
struct KnownCause {
    code: &'static str,
    retryable: bool,
    /// A part of the error's message.
    message: &'static str,
    reports: &'static [KnownReport],
}

const KNOWN_CAUSES: &[KnownCause] = &[
    KnownCause {
        code: "USAGE_LIMIT",
        retryable: false,
        message: "resets on a rolling window",
        reports: &[
            FailedTurn("You've hit your usage limit. Try again later."),
            FailedTurn("You've hit your usage limit. Try again at 12:16 PM."),
            FailedTurn(
                "You've hit your usage limit. To get more access now, send a request to your admin or try again later.",
            ),
            FailedTurn(
                "You've hit your usage limit. Upgrade to Plus to continue using Codex (https://chatgpt.com/explore/plus), or try again at Nov 25th, 2026 12:16 PM.",
            ),
            FailedTurn(
                "You've hit your usage limit. Visit https://chatgpt.com/codex/settings/usage to purchase more credits or try again later.",
            ),
            FailedTurn(
                "You\u{2019}ve hit your usage limit for codex_other. Switch to another model now, or try again later.",
            ),
            LastLine("ERROR: You've hit your usage limit. Try again later."),
            FailedTurn("stream disconnected before completion: The usage limit has been reached"),
            Code("usage_limit_reached"),
        ],
    },
    KnownCause {
        code: "USAGE_LIMIT",
        retryable: false,
        message: "out of credits. Add credits",
        reports: &[
            FailedTurn("Your workspace is out of credits. Add credits to continue."),
            FailedTurn("Your workspace is out of credits. Ask your workspace owner to refill in order to continue."),
            Stderr(
                r#"image generation failed: http 429 Too Many Requests: Some("{\"error\":{\"type\":\"usage_limit_reached\",\"rate_limit_reached_type\":\"workspace_member_credits_depleted\"}}")"#,
            ),
            LastLine("Error: Your workspace is out of credits. Add credits to continue."),
            Code("workspace_owner_credits_depleted"),
            Code("workspace_member_credits_depleted"),
        ],
    },
    KnownCause {
        code: "USAGE_LIMIT",
        retryable: false,
        message: "spend cap of your ChatGPT workspace",
        reports: &[
            FailedTurn("You hit your spend cap set in your workspace. Increase your spend cap to continue."),
            FailedTurn(
                "You hit your spend cap set by the owner of your workspace. Ask an owner to increase your spend cap to continue.",
            ),
            Code("workspace_owner_usage_limit_reached"),
            Code("workspace_member_usage_limit_reached"),
        ],
    },
    KnownCause {
        code: "USAGE_LIMIT",
        retryable: false,
        message: "plan and billing",
        reports: &[
            FailedTurn("Quota exceeded. Check your plan and billing details."),
            FailedTurn("unexpected status 402 Payment Required: Insufficient Balance, url: https://127.0.0.1:9/x"),
            Stderr("image generation failed: http 402 Payment Required: None"),
            Stderr(
                r#"image generation failed: http 403 Forbidden: Some("{\"code\":\"INSUFFICIENT_BALANCE\",\"message\":\"The balance is not sufficient.\"}")"#,
            ),
            Stderr(
                r#"image generation failed: http 400 Bad Request: Some("{\"error\":{\"type\":\"billing_limit_user_error\",\"code\":\"billing_hard_limit_reached\",\"message\":\"Billing hard limit has been reached.\",\"param\":null}}")"#,
            ),
            Stderr(
                r#"image generation failed: http 429 Too Many Requests: Some("{\"error\":{\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\",\"message\":\"You exceeded your current quota.\"}}")"#,
            ),
            FailedTurn("stream disconnected before completion: Billing hard limit has been reached."),
            Code("insufficient_quota"),
            Code("credit_balance_exhausted"),
            Code("organization_spend_limit_exceeded"),
            Code("project_spend_limit_exceeded"),
            Code("organization_usage_limit_exceeded"),
            Code("insufficient_balance"),
            Code("billing_hard_limit_reached"),
            Code("billing_not_active"),
        ],
    },
    KnownCause {
        code: "USAGE_LIMIT",
        retryable: false,
        message: "does not include Codex",
        reports: &[
            FailedTurn("To use Codex with your ChatGPT plan, upgrade to Plus: https://chatgpt.com/explore/plus."),
            FailedTurn("To use Codex with your ChatGPT plan, upgrade to Plus: https://openai.com/chatgpt/pricing."),
            Stderr(
                r#"image generation failed: http 403 Forbidden: Some("{\"error\":{\"type\":\"usage_not_included\",\"message\":\"x\"}}")"#,
            ),
            Code("usage_not_included"),
        ],
    },
    KnownCause {
        code: "RATE_LIMITED",
        retryable: true,
        message: "limiting the rate",
        reports: &[
            FailedTurn("rate limit exceeded: Slow down"),
            FailedTurn(
                "stream disconnected before completion: Encountered exception: <class 'oai_errors.errors.TooManyRequests'>: image generation request was rate limited",
            ),
            FailedTurn("exceeded retry limit, last status: 429 Too Many Requests, request id: req_1"),
            FailedTurn("Failed to refresh token: 429 Too Many Requests: slow down"),
            LastLine("\x1b[31mERROR: 429 Too Many Requests\x1b[0m"),
            FailedTurn(
                "stream disconnected before completion: Rate limit reached for gpt-image on images per min. Please try again in 1s.",
            ),
            Stderr("image generation failed: http 429 Too Many Requests: None"),
            Code("rate_limit_exceeded"),
            Code("slow_down"),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: true,
        message: "at capacity). Try again later",
        reports: &[
            FailedTurn("Selected model is at capacity. Please try a different model."),
            FailedTurn("Policy-restricted capacity is unavailable. Please try again later."),
            FailedTurn("Flex capacity unavailable."),
            Code("server_is_overloaded"),
            Code("flex_unavailable"),
        ],
    },
    KnownCause {
        code: "NOT_SIGNED_IN",
        retryable: false,
        message: "not signed in",
        reports: &[
            FailedTurn(
                "Your authentication session could not be refreshed automatically. Please log out and sign in again.",
            ),
            FailedTurn("workspace routing discovery unauthorized (401)"),
            FailedTurn(
                "Failed to refresh token: 401 Unauthorized: Your refresh token has already been used to generate a new access token. Please try signing in again.",
            ),
            FailedTurn(
                "Your access token could not be refreshed because your refresh token was already used. Please log out and sign in again.",
            ),
            FailedTurn(
                "Your access token could not be refreshed because your refresh token was revoked. Please log out and sign in again.",
            ),
            FailedTurn(
                "Your access token could not be refreshed because you have since logged out or signed in to another account. Please sign in again.",
            ),
            FailedTurn("Your access token could not be refreshed. Please log out and sign in again."),
            FailedTurn(
                "stream disconnected before completion: Provided authentication token is expired. Please try signing in again.",
            ),
            FailedTurn("No more recovery steps available."),
            LastLine("Error: Token data is not available."),
            Code("token_expired"),
            Code("token_invalidated"),
            Code("token_revoked"),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: true,
        message: "no connection",
        reports: &[
            FailedTurn("workspace routing discovery timed out"),
            FailedTurn("request timed out"),
            FailedTurn("timeout waiting for child process to exit"),
            FailedTurn("Connection failed: error sending request"),
            FailedTurn("Error while reading the server response: error decoding response body, request id: req_1"),
            FailedTurn("stream disconnected before completion: idle timeout waiting for SSE"),
            FailedTurn("stream disconnected before completion: stream closed before response.completed"),
            Stderr("image generation failed: timeout"),
            Stderr("image generation failed: network error: error sending request"),
            FailedTurn("Connection reset by peer (os error 104)"),
            LastLine("    2: Connection refused (os error 111)"),
            FailedTurn("workspace routing discovery failed"),
            LastLine("Error: error sending request for url (https://127.0.0.1:9/backend-api/codex/responses)"),
            LastLine("    2: Network is unreachable (os error 101)"),
            LastLine("    2: failed to lookup address information: Name or service not known"),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: true,
        message: "its servers report an error",
        reports: &[
            FailedTurn("Failed to load cloud config bundle (workspace-managed policies)."),
            FailedTurn(
                "stream disconnected before completion: An error occurred while processing your request. You can retry your request, or contact us through our help center at help.openai.com if the error persists.",
            ),
            FailedTurn(
                "stream disconnected before completion: Incomplete response returned, reason: max_output_tokens",
            ),
            Stderr(
                "image generation failed: stream error: failed to decode image generation response: missing field `data`",
            ),
            Stderr("image generation failed: retry limit reached"),
            FailedTurn(
                "stream disconnected before completion: The server had an error while processing your request. Sorry about that!",
            ),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: true,
        message: "high demand",
        reports: &[
            FailedTurn(
                "stream disconnected before completion: Our servers are currently overloaded. Please try again later.",
            ),
            FailedTurn("We're currently experiencing high demand, which may cause temporary errors."),
        ],
    },
    KnownCause {
        code: "SAFETY_REJECTED",
        retryable: false,
        message: "safety system",
        reports: &[
            FailedTurn(
                "This content was flagged for possible cybersecurity risk. If this seems wrong, try rephrasing your request. To get authorized for security work, join the Trusted Access for Cyber program: https://chatgpt.com/cyber",
            ),
            FailedTurn("This request has been flagged for possible cybersecurity risk."),
            FailedTurn("This content was flagged for possible biological risk."),
            FailedTurn("This request was blocked due to a misalignment policy violation."),
            FailedTurn(
                "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt: https://platform.openai.com/docs/guides/reasoning#advice-on-prompting",
            ),
            FailedTurn("Invalid prompt: we've limited access to this content for safety reasons."),
            FailedTurn(
                r#"{"error":{"message":"This content was flagged.","type":"invalid_request","param":null,"code":"cyber_policy"}}"#,
            ),
            FailedTurn("stream disconnected before completion: Incomplete response returned, reason: content_filter"),
            FailedTurn(
                "stream disconnected before completion: Your request was rejected by the safety system. safety_violations=[violence].",
            ),
            Code("moderation_blocked"),
            Code("content_policy_violation"),
            Code("cyber_policy"),
            Code("bio_policy"),
            Code("misalignment_policy_violation"),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: true,
        message: "HTTP 500: ",
        reports: &[
            FailedTurn("Failed to refresh token: 500 Internal Server Error: upstream error"),
            Stderr("image generation failed: http 500 Internal Server Error: None"),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: true,
        message: "HTTP 502: ",
        reports: &[
            FailedTurn("Failed to refresh token: 502 Bad Gateway: upstream error"),
            Stderr("image generation failed: http 502 Bad Gateway: None"),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: true,
        message: "HTTP 503: ",
        reports: &[
            FailedTurn("Failed to refresh token: 503 Service Unavailable: upstream error"),
            FailedTurn(r#"{"type":"error","status":503,"error":{"type":"server_error","message":"x"}}"#),
            Stderr("image generation failed: http 503 Service Unavailable: None"),
            FailedTurn("exceeded retry limit, last status: 503 Service Unavailable"),
        ],
    },
    KnownCause {
        code: "NOT_SIGNED_IN",
        retryable: false,
        message: "not signed in. Run `codex login`",
        reports: &[FailedTurn(
            "Failed to refresh token: 400 Bad Request: Invalid 'refresh_token': empty string. Expected a string with minimum length 1, but got an empty string instead.",
        )],
    },
    KnownCause {
        code: "NOT_SIGNED_IN",
        retryable: false,
        message: "deactivated",
        reports: &[
            FailedTurn(
                "unexpected status 401 Unauthorized: Your OpenAI account has been deactivated, please check your email for more information., url: https://127.0.0.1:9/x",
            ),
            FailedTurn(
                r#"unexpected status 402 Payment Required: {"detail":{"code":"deactivated_workspace"}}, url: https://127.0.0.1:9/x"#,
            ),
            Stderr(
                r#"image generation failed: http 403 Forbidden: Some("{\"error\":{\"code\":\"account_deactivated\",\"message\":\"x\"}}")"#,
            ),
            FailedTurn("Your workspace has been deactivated."),
            Code("account_deactivated"),
            Code("deactivated_workspace"),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "region is blocked",
        reports: &[FailedTurn(
            "Access blocked by Cloudflare. This usually happens when connecting from a restricted region (status 403 Forbidden), url: https://127.0.0.1:9/x, cf-ray: 1",
        )],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "too long",
        reports: &[
            FailedTurn(
                "Codex ran out of room in the model's context window. Start a new thread or clear earlier history before retrying.",
            ),
            Code("context_length_exceeded"),
            LastLine(
                "Error: turn/start: turn/start failed: Input exceeds the maximum length of 1048576 characters. (code -32602), data: {\"input_error_code\":\"input_too_large\",\"max_chars\":1048576,\"actual_chars\":1101128}",
            ),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "reference images",
        reports: &[
            FailedTurn("Invalid image in your last message. Please remove it and try again."),
            FailedTurn("Image poisoning"),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "another model",
        reports: &[
            FailedTurn(
                r#"{"detail":"The 'gpt-5.3-codex' model is not supported when using Codex with a ChatGPT account."}"#,
            ),
            Code("model_not_found"),
            Code("model_not_supported"),
            Code("unsupported_model"),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "Update Codex",
        reports: &[FailedTurn(
            r#"{"type":"error","status":400,"error":{"type":"invalid_request_error","message":"The 'gpt-5.6' model requires a newer version of Codex. Please upgrade to the latest app or CLI and try again."}}"#,
        )],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "HTTP 400: ",
        reports: &[
            FailedTurn(r#"{"error":{"type":"invalid_request_error","message":"Unknown parameter: flux."}}"#),
            Stderr("image generation failed: http 400 Bad Request: None"),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "The same request would fail again",
        reports: &[
            FailedTurn("unexpected status 400 Bad Request: Unknown error, url: https://127.0.0.1:9/x"),
            FailedTurn("unexpected status 403 Forbidden: Unknown error, url: https://127.0.0.1:9/x"),
            FailedTurn("unexpected status 404 Not Found: Unknown error, url: https://127.0.0.1:9/x"),
            FailedTurn("unexpected status 405 Method Not Allowed: Unknown error, url: https://127.0.0.1:9/x"),
            FailedTurn("unexpected status 409 Conflict: Unknown error, url: https://127.0.0.1:9/x"),
            FailedTurn("unexpected status 413 Payload Too Large: Unknown error, url: https://127.0.0.1:9/x"),
            FailedTurn("unexpected status 422 Unprocessable Entity: Unknown error, url: https://127.0.0.1:9/x"),
            FailedTurn(
                "unexpected status 451 Unavailable For Legal Reasons: Unknown error, url: https://127.0.0.1:9/x",
            ),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "HTTP 403: ",
        reports: &[Stderr("image generation failed: http 403 Forbidden: None")],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "HTTP 404: ",
        reports: &[Stderr("image generation failed: http 404 Not Found: None")],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "HTTP 405: ",
        reports: &[Stderr("image generation failed: http 405 Method Not Allowed: None")],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: true,
        message: "Try again later",
        reports: &[
            FailedTurn("unexpected status 408 Request Timeout: Unknown error, url: https://127.0.0.1:9/x"),
            FailedTurn("unexpected status 425 Too Early: Unknown error, url: https://127.0.0.1:9/x"),
            FailedTurn("unexpected status 500 Internal Server Error: Unknown error, url: https://127.0.0.1:9/x"),
            FailedTurn("unexpected status 502 Bad Gateway: Unknown error, url: https://127.0.0.1:9/x"),
            FailedTurn("unexpected status 503 Service Unavailable: Unknown error, url: https://127.0.0.1:9/x"),
            FailedTurn("unexpected status 504 Gateway Timeout: Unknown error, url: https://127.0.0.1:9/x"),
            FailedTurn("unexpected status 529 <unknown status code>: Unknown error, url: https://127.0.0.1:9/x"),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: true,
        message: "HTTP 408: ",
        reports: &[Stderr("image generation failed: http 408 Request Timeout: None")],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "HTTP 409: ",
        reports: &[Stderr("image generation failed: http 409 Conflict: None")],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "HTTP 413: ",
        reports: &[Stderr("image generation failed: http 413 Payload Too Large: None")],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "HTTP 422: ",
        reports: &[Stderr("image generation failed: http 422 Unprocessable Entity: None")],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: true,
        message: "HTTP 425: ",
        reports: &[Stderr("image generation failed: http 425 Too Early: None")],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "HTTP 451: ",
        reports: &[Stderr("image generation failed: http 451 Unavailable For Legal Reasons: None")],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: true,
        message: "HTTP 504: ",
        reports: &[Stderr("image generation failed: http 504 Gateway Timeout: None")],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: true,
        message: "HTTP 529: ",
        reports: &[Stderr("image generation failed: http 529 <unknown status code>: None")],
    },
    KnownCause {
        code: "IMAGE_GEN_UNAVAILABLE",
        retryable: false,
        message: "image_gen tool is unavailable",
        reports: &[
            Stderr("unsupported call: image_genimagegen"),
            Stderr("failed to spawn code-mode host /x: host executable was not found"),
            Stderr("code-mode host is disabled"),
        ],
    },
    KnownCause {
        code: "BACKEND_ERROR",
        retryable: false,
        message: "HTTP 302: ",
        reports: &[Stderr("image generation failed: http 302 Found: None")],
    },
];

impl KnownReport {
    /// Finds its cause from Codex's whole output.
    fn diagnosis(self) -> Option<Diagnosis> {
        match self {
            Stderr(line) => from_stderr(&format!("{ROUTER}{line}")),
            FailedTurn(message) => from_turn(message),
            LastLine(line) => from_exit(&format!("Reading prompt from stdin...\n{line}\n"), Exit::Code(1)),
            Code(code) => from_turn(&body_with(code)),
        }
    }

    fn parsed(self) -> Report<'static> {
        match self {
            Stderr(line) => Report::of_image_call(line),
            FailedTurn(text) | LastLine(text) => Report::new(text),
            Code(code) => Report::new(body_with(code)),
        }
    }
}

fn body_with(code: &str) -> String {
    format!(r#"{{"error":{{"code":"{code}","message":"x"}}}}"#)
}

#[test]
fn each_known_report_has_its_cause() {
    for known in KNOWN_CAUSES {
        for report in known.reports {
            let cause = report.diagnosis().unwrap_or_else(|| panic!("no cause for {report:?}")).cause;
            assert_eq!((cause.code(), cause.retryable()), (known.code, known.retryable), "{report:?}");
            let message = cause.to_string();
            assert!(message.contains(known.message), "{report:?}: {message}");
            assert_eq!(message.contains("rolling window"), matches!(cause, Cause::UsageLimit { .. }), "{report:?}");
        }
    }
}

#[test]
fn each_row_has_a_known_report() {
    let reports = KNOWN_CAUSES.iter().flat_map(|known| known.reports);
    let tested: Vec<_> = reports.filter_map(|report| report.parsed().row()).collect();
    let untested: Vec<_> =
        CAUSES.iter().filter(|row| !tested.iter().any(|tested| std::ptr::eq(*tested, *row))).collect();
    assert!(untested.is_empty(), "without a report in KNOWN_CAUSES: {untested:#?}");
}

#[test]
fn a_local_failure_of_codex_has_no_cause_in_the_table() {
    // codex-rs/protocol/src/error.rs
    for text in [
        "turn aborted. Something went wrong? Hit `/feedback` to report the issue.",
        "interrupted (Ctrl-C). Something went wrong? Hit `/feedback` to report the issue.",
        "no thread with id: 019e5f2a-7c44-7bb0-9d3e-0123456789ab",
        "agent thread limit reached",
        "budget reached",
        "session configured event was not the first event in the stream",
        "spawn failed: child stdout/stderr not captured",
        "internal error; agent loop died unexpectedly",
        "sandbox error: command timed out",
        "codex-linux-sandbox was required but not provided",
        "unsupported operation: local compaction",
        "Fatal error: failed to read the config",
        "Missing environment variable: `OPENAI_API_KEY`.",
        "No such file or directory (os error 2)",
        "failed to write the rollout: Disk quota exceeded (os error 122)",
    ] {
        assert_eq!(from_turn(text), None, "{text}");
        assert_eq!(from_exit(text, Exit::Code(1)), None, "{text}");
    }
}

#[test]
fn the_code_of_a_truncated_body_is_read() {
    let cut = r#"{"error":{"type":"image_generation_user_error","code":"moderation_blocked","message":"Your requ"#;
    assert_eq!(code(from_turn(cut)), Some("SAFETY_REJECTED"));
    let cut = format!("{ROUTER}image generation failed: http 402 Payment Required: Some({cut:?}...)");
    assert_eq!(code(from_stderr(&cut)), Some("SAFETY_REJECTED"));
}

#[test]
fn the_last_line_of_stderr_counts_if_codex_failed_without_a_failed_turn() {
    let error = Exit::Code(1);
    for (line, expected) in [
        ("ERROR: You've hit your usage limit. Try again later.", "USAGE_LIMIT"),
        ("Error: Your workspace is out of credits. Add credits to continue.", "USAGE_LIMIT"),
        (
            "Error: Your authentication session could not be refreshed automatically. Please log out and sign in again.",
            "NOT_SIGNED_IN",
        ),
        ("Error: error sending request for url (https://127.0.0.1:9/backend-api/codex/responses)", "BACKEND_ERROR"),
        ("    2: Connection refused (os error 111)", "BACKEND_ERROR"),
        ("ERROR: Selected model is at capacity. Please try a different model.", "BACKEND_ERROR"),
        ("\x1b[31mERROR: 429 Too Many Requests\x1b[0m", "RATE_LIMITED"),
        (
            "2026-11-22T10:46:16.278818Z ERROR codex_login::auth::manager: Failed to refresh token: 503 Service Unavailable: x",
            "BACKEND_ERROR",
        ),
    ] {
        let stderr = format!("Reading prompt from stdin...\n{line}\n\n");
        assert_eq!(code(from_exit(&stderr, error)), Some(expected), "{line}");
        assert_eq!(from_exit(&stderr, Exit::Code(0)), None, "{line}");
        assert_eq!(from_exit(&stderr, Exit::Signal(9)), None, "{line}");
        assert_eq!(from_exit(&format!("{stderr}something else\n"), error), None, "{line}");
        let mut failed = Transcript::default();
        failed.note(&ExecEvent::TurnFailed("something never seen before".into()));
        let mut digest = StderrDigest::default();
        digest.tail.push(stderr.as_bytes());
        assert_eq!(diagnose(&failed, &digest, Some(error), &at(NOW)), None, "{line}");
    }
    for side_request in [
        "2026-06-01T12:00:00.101448Z ERROR codex_models_manager::manager: failed to refresh available models: unexpected status 404 Not Found: {}, url: https://127.0.0.1:9/x",
        "2026-06-01T12:00:00.109896Z  WARN rmcp::transport::worker: worker quit with fatal: network error",
    ] {
        assert_eq!(from_exit(side_request, error), None, "{side_request}");
    }
}

#[test]
fn the_message_of_a_failed_turn_has_its_cause() {
    for (message, expected) in [
        // 0.132.0
        (
            "You've hit your usage limit. Upgrade to Pro (https://chatgpt.com/explore/pro), visit https://chatgpt.com/codex/settings/usage to purchase more credits or try again at 12:16 PM.",
            "USAGE_LIMIT",
        ),
        ("stream disconnected before completion: The usage limit has been reached", "USAGE_LIMIT"),
        (
            "stream disconnected before completion: Your request was rejected by the safety system. safety_violations=[violence].",
            "SAFETY_REJECTED",
        ),
        (
            "stream disconnected before completion: Rate limit reached for gpt-image on images per min. Please try again in 1s.",
            "RATE_LIMITED",
        ),
        (
            "stream disconnected before completion: Provided authentication token is expired. Please try signing in again.",
            "NOT_SIGNED_IN",
        ),
        (
            "stream disconnected before completion: The server had an error while processing your request. Sorry about that!",
            "BACKEND_ERROR",
        ),
        (
            "stream disconnected before completion: Transport error: network error: error decoding response body",
            "BACKEND_ERROR",
        ),
        (
            "stream disconnected before completion: error sending request for url (https://127.0.0.1:9/backend-api/codex/responses)",
            "BACKEND_ERROR",
        ),
        ("stream disconnected before completion: Not Found", "BACKEND_ERROR"),
        ("We're currently experiencing high demand, which may cause temporary errors.", "BACKEND_ERROR"),
        ("error sending request for url (http://127.0.0.1:9/oauth/token)", "BACKEND_ERROR"),
        // 0.169.0, with typographic apostrophes
        (
            "You\u{2019}ve hit your usage limit. Upgrade to Pro (https://chatgpt.com/explore/pro), visit https://chatgpt.com/settings/usage to purchase more credits or try again at 12:16 PM.",
            "USAGE_LIMIT",
        ),
        ("We\u{2019}re currently experiencing high demand, which may cause temporary errors.", "BACKEND_ERROR"),
        ("stream disconnected before completion: error sending request", "BACKEND_ERROR"),
        ("workspace routing discovery failed", "BACKEND_ERROR"),
        // 0.132.0 and 0.169.0, some also 0.140.0
        (
            "Your access token could not be refreshed because your refresh token has expired. Please log out and sign in again.",
            "NOT_SIGNED_IN",
        ),
        (
            "unexpected status 401 Unauthorized: Missing bearer or basic authentication in header, url: https://127.0.0.1:40529/backend-api/codex/responses",
            "NOT_SIGNED_IN",
        ),
        (
            "unexpected status 401 Unauthorized: Provided authentication token is expired. Please try signing in again., url: https://127.0.0.1:43833/backend-api/codex/responses",
            "NOT_SIGNED_IN",
        ),
        (
            r#"unexpected status 404 Not Found: {"detail":"Not Found"}, url: https://127.0.0.1:43833/backend-api/codex/responses"#,
            "BACKEND_ERROR",
        ),
        ("exceeded retry limit, last status: 429 Too Many Requests", "RATE_LIMITED"),
        (
            r#"{"error":{"type":"image_generation_user_error","code":"moderation_blocked","message":"Your request was rejected by the safety system. safety_violations=[violence].","param":null}}"#,
            "SAFETY_REJECTED",
        ),
    ] {
        assert_eq!(code(from_turn(message)), Some(expected), "{message}");
    }
    assert_eq!(from_turn("something never seen before"), None);
}

#[test]
fn the_reset_time_in_a_message_is_in_the_users_time_zone() {
    let now: Zoned = "2026-11-22T10:46:00+01:00[Europe/Berlin]".parse().unwrap();
    let at = |text: &str| {
        let message = format!("You've hit your usage limit. Upgrade to Pro (https://chatgpt.com/explore/pro){text}");
        reset_time(&message, &now)
            .map(|at| Zoned::try_from(at).unwrap().with_time_zone(now.time_zone().clone()).to_string())
    };
    assert_eq!(at(" or try again at 12:16 PM.").unwrap(), "2026-11-22T12:16:00+01:00[Europe/Berlin]");
    assert_eq!(at(". Try again at 1:05 PM.").unwrap(), "2026-11-22T13:05:00+01:00[Europe/Berlin]");
    assert_eq!(at(" or try again at Nov 25th, 2026 9:07 AM.").unwrap(), "2026-11-25T09:07:00+01:00[Europe/Berlin]");
    assert_eq!(at(" or try again at Jul 1st, 2027 12:00 AM.").unwrap(), "2027-07-01T00:00:00+02:00[Europe/Berlin]");
    for unknown in
        ["", " or try again later.", " or try again at noon.", " or try again at PM", " try again at 99:99 PM."]
    {
        assert_eq!(at(unknown), None, "{unknown}");
    }
}

#[test]
fn the_report_of_the_image_call_takes_precedence_over_the_failed_turn() {
    let mut stderr = StderrDigest::default();
    stderr.note(b"image generation failed: http 500 Internal Server Error: None");
    let mut transcript = Transcript::default();
    transcript.note(&ExecEvent::TurnFailed("You've hit your usage limit.".into()));
    transcript.note(&ExecEvent::Message("IMAGE_GEN_UNAVAILABLE".into()));
    assert_eq!(code(diagnose(&transcript, &stderr, None, &at(NOW))), Some("BACKEND_ERROR"));
}

#[test]
fn the_last_image_call_report_with_a_known_cause_counts() {
    let mut stderr = StderrDigest::default();
    for line in ["http 500 Internal Server Error: None", "http 402 Payment Required: None", "something new"] {
        stderr.note(format!("{IMAGE_CALL_FAILED}{line}").as_bytes());
    }
    assert_eq!(code(diagnose(&Transcript::default(), &stderr, None, &at(NOW))), Some("USAGE_LIMIT"));
}

#[test]
fn a_rust_literal_is_decoded_up_to_its_closing_quote() {
    assert_eq!(unescape(r#"a\"b\\c\n\u{e9}\'d") and more "x"#), "a\"b\\c\n\u{e9}'d");
    assert_eq!(unescape(r"cut off \"), "cut off ");
    assert_eq!(unescape(r"\u{110000}x"), "x");
}

#[test]
fn a_report_that_a_log_line_only_quotes_is_ignored() {
    let span =
        r"2026-11-22T10:46:16.278818Z ERROR session_loop{thread_id=x}:turn{model=y}: codex_core::tools::router: error=";
    for (line, expected) in [
        ("image generation failed: http 402 Payment Required: None", "USAGE_LIMIT"),
        ("unsupported call: image_genimagegen", "IMAGE_GEN_UNAVAILABLE"),
        ("failed to spawn code-mode host /x: No such file or directory (os error 2)", "IMAGE_GEN_UNAVAILABLE"),
    ] {
        for before in ["", "\u{1b}[2m", ROUTER, span, "ERROR codex_core::tools::router: error="] {
            assert_eq!(code(from_stderr(&format!("{before}{line}"))), Some(expected), "{before}{line}");
        }
        for before in [
            "2026-11-22T10:46:16.278818Z TRACE codex_core::codex: Submission { items: [Text { text: \"a poster: ",
            "2026-11-22T10:46:16.278818Z DEBUG codex_core::codex: error=",
            "2026-11-22T10:46:16.278818Z  INFO codex_rmcp_client: MCP server stderr (x): ",
            "2026-11-22T10:46:16.278818Z ERROR codex_core::tools::router: error=exec_command failed: echo ",
            "the agent says: ",
        ] {
            assert_eq!(from_stderr(&format!("{before}{line}")), None, "{before}{line}");
        }
    }
    for line in [
        "2026-11-22T10:46:16.278818Z DEBUG codex_core::codex: text: \"You've hit your usage limit\"",
        "2026-11-22T10:46:16.278818Z TRACE codex_api::sse: rate limit exceeded",
        "2026-11-22T10:46:16.278818Z  INFO codex_core: Connection refused",
    ] {
        assert_eq!(from_exit(line, Exit::Code(1)), None, "{line}");
    }
}

#[test]
fn a_code_takes_precedence_over_a_text_that_the_backend_quotes() {
    for (code_of, expected) in [
        ("moderation_blocked", "SAFETY_REJECTED"),
        ("server_is_overloaded", "BACKEND_ERROR"),
        ("token_revoked", "NOT_SIGNED_IN"),
    ] {
        for quoted in ["You've hit your usage limit", "rate limit exceeded", "Your workspace is out of credits"] {
            let body = format!(r#"{{"error":{{"code":"{code_of}","message":"Your prompt was: {quoted}"}}}}"#);
            assert_eq!(code(from_turn(&body)), Some(expected), "{body}");
            let report = format!("{ROUTER}{IMAGE_CALL_FAILED}http 400 Bad Request: Some({body:?})");
            assert_eq!(code(from_stderr(&report)), Some(expected), "{report}");
        }
    }
}

#[test]
fn the_cause_of_reconnects_is_the_reason_of_the_last_one() {
    let mut transcript = Transcript::default();
    transcript
        .note(&ExecEvent::Reconnecting("Reconnecting... 5/5 (unexpected status 503 Service Unavailable: x)".into()));
    transcript.note(&ExecEvent::Error("MCP client for `x` failed to start: rate limit exceeded".into()));
    let diagnosis = diagnose_reconnects(&transcript, &at(NOW));
    assert_eq!(
        diagnosis.cause.to_string(),
        "OpenAI's backend could not deliver the image (HTTP 503: an error of the server). Try again later."
    );
}

#[test]
fn the_backends_json_is_read_at_any_depth_even_if_it_is_malformed() {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_349_765);
    let limit = r#""type":"usage_limit_reached","resets_at":1795349765"#;
    for body in [
        format!(r#"{{"error":{{{limit},"resets_in_seconds":1e400}}}}"#),
        format!(r#"{{"error":{{"resets_in_seconds":NaN,{limit}}}}}"#),
        format!(r#"{{"error":{{{limit},"message":"torn \ud83d"}}}}"#),
        format!(r#"{{"error":{{{limit},"message":"cut o"#),
        format!(r#"[{{"error":{{{limit}}}}}]"#),
        format!(r#"{{"errors":[{{{limit}}}]}}"#),
        format!(r#"{{"type":"response.failed","response":{{"error":{{{limit}}}}}}}"#),
        format!(r#"{{"error":{{"message":{:?}}}}}"#, format!("{{\"error\":{{{limit}}}}}")),
        format!(r#"{{ "error" : {{ {} }} }}"#, limit.replace(':', " :\n ")),
    ] {
        for text in [body.clone(), format!("unexpected status 429 Too Many Requests: {body}, url: https://x")] {
            let diagnosis = from_turn(&text).unwrap_or_else(|| panic!("no cause for {text}"));
            assert_eq!((diagnosis.cause.code(), diagnosis.resets_at), ("USAGE_LIMIT", Some(at)), "{text}");
        }
    }
    let inner = r#"{"error":{"code":"invalid_request","innererror":{"code":"content_policy_violation"}}}"#;
    assert_eq!(code(from_turn(inner)), Some("SAFETY_REJECTED"));
}

#[test]
fn a_reset_time_long_in_the_past_is_left_out() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_349_765);
    let reset = |message: &str| Report::new(message).diagnosis(&at(now)).unwrap();
    for message in [
        r#"{"error":{"type":"usage_limit_reached","resets_at":0}}"#,
        r#"{"error":{"type":"usage_limit_reached","resets_at":1595349765}}"#,
        "You've hit your usage limit. Try again at Nov 25th, 1926 12:16 PM.",
    ] {
        assert_eq!(reset(message), Cause::UsageLimit { resets_in: None }.into(), "{message}");
    }
    let both = reset(r#"{"error":{"type":"usage_limit_reached","resets_at":1,"resets_in_seconds":60}}"#);
    assert_eq!(both.resets_at, Some(now + Duration::from_secs(60)));
    let just = reset(r#"{"error":{"type":"usage_limit_reached","resets_at":1795349760}}"#);
    assert_eq!(just.resets_at, Some(now - Duration::from_secs(5)), "clocks differ");
    let days_ago = |days: u64| {
        let at = 1_795_349_765 - days * 24 * 60 * 60;
        reset(&format!(r#"{{"error":{{"type":"usage_limit_reached","resets_at":{at}}}}}"#)).resets_at
    };
    assert!(days_ago(364).is_some(), "clocks may differ by a year");
    assert_eq!(days_ago(366), None);
}

#[test]
fn a_status_in_the_backends_json_that_is_no_failure_is_ignored() {
    for status in [200, 302, 399, 600] {
        let message = from_turn(&format!(r#"{{"type":"error","status":{status}}}"#)).unwrap().cause.to_string();
        assert!(message.contains("(HTTP 400: "), "{message}");
    }
    let message = from_turn(r#"{"type":"error","status":503}"#).unwrap().cause.to_string();
    assert!(message.contains("(HTTP 503: "), "{message}");
}

#[test]
fn the_clock_uses_the_time_zone_of_the_environment() {
    let before = jiff::Timestamp::now();
    for name in ["Asia/Tokyo", ":Asia/Tokyo"] {
        let clock = now_in(Some(name));
        assert_eq!(clock.time_zone().iana_name(), Some("Asia/Tokyo"), "{name}");
        assert!((before..=jiff::Timestamp::now()).contains(&clock.timestamp()));
    }
    for unknown in [None, Some("Nowhere/Nothing")] {
        assert_eq!(now_in(unknown).time_zone(), &jiff::tz::TimeZone::system(), "{unknown:?}");
    }
}

#[test]
fn the_detail_names_each_source_that_printed_something() {
    let (mut transcript, mut stderr) = (Transcript::default(), StderrDigest::default());
    let format_detail =
        |transcript: &Transcript, stderr: &StderrDigest| detail(transcript, stderr, &Redactor::default());
    assert_eq!(format_detail(&transcript, &stderr), "");
    stderr.tail.push(b"first\nlast\n");
    assert_eq!(format_detail(&transcript, &stderr), "stderr: first\nlast");
    transcript.note(&ExecEvent::Error("token=abc is wrong".into()));
    transcript.note(&ExecEvent::Message("I cannot.".into()));
    let after_error = "codex: token=[redacted] is wrong\nagent: I cannot.\nstderr: first\nlast";
    assert_eq!(format_detail(&transcript, &stderr), after_error);
    transcript.note(&ExecEvent::TurnFailed("It failed.".into()));
    assert_eq!(format_detail(&transcript, &stderr), after_error.replace("token=[redacted] is wrong", "It failed."));
}

#[test]
fn every_status_has_its_code_and_its_retryable_flag() {
    for status in (400..600).chain([0, 100, 204, 302, 600, 999]) {
        let expected = match status {
            401 => ("NOT_SIGNED_IN", false),
            402 => ("USAGE_LIMIT", false),
            429 => ("RATE_LIMITED", true),
            408 | 425 | 500..600 => ("BACKEND_ERROR", true),
            _ => ("BACKEND_ERROR", false),
        };
        let html = "<html><style>body { color: red }</style><p>Please try again later.</p></html>";
        let of_turn = (400..600).contains(&status).then(|| {
            from_turn(&format!("unexpected status {status} <unknown status code>: {html}, url: https://127.0.0.1:9/x"))
        });
        let of_call = from_stderr(&format!("{ROUTER}{IMAGE_CALL_FAILED}http {status} X: Some({html:?})"));
        for diagnosis in of_turn.into_iter().chain([of_call]) {
            let cause = diagnosis.unwrap_or_else(|| panic!("no cause for {status}")).cause;
            assert_eq!((cause.code(), cause.retryable()), expected, "{status}");
            let names_it = cause.to_string().contains(&format!("(HTTP {status}: "));
            assert_eq!(names_it, expected.0 == "BACKEND_ERROR", "{cause}");
        }
    }
}
