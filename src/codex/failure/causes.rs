//! Table of the known failure reports of Codex and its backend, and the [`Cause`] of each.
//!
//! A row is a code, a text or an HTTP status, with the source or the version where it was seen.

use std::ops::RangeInclusive;

use crate::error::{Allowance, BackendTrouble, Cause};

use Finding::{Http, Is};
use Pattern::{Code, Status, Text};

/// Property by which a report is recognised.
#[derive(Debug)]
pub(super) enum Pattern {
    /// Type or code in the backend's JSON, in any case.
    Code(&'static str),
    /// Text anywhere in the report, in any case.
    Text(&'static str),
    /// HTTP status.
    Status(RangeInclusive<u16>),
}

/// Cause of a report that matches a pattern.
#[derive(Debug)]
pub(super) enum Finding {
    /// Always the same cause.
    Is(Cause),
    /// HTTP error with the report's own status. The text is the reason in the error's message.
    Http(&'static str),
}

const ROLLING: Finding = Is(Cause::UsageLimit { resets_in: None });
const CREDITS: Finding = Is(Cause::Exhausted(Allowance::Credits));
const SPEND_CAP: Finding = Is(Cause::Exhausted(Allowance::SpendCap));
const QUOTA: Finding = Is(Cause::Exhausted(Allowance::Quota));
const PLAN: Finding = Is(Cause::Exhausted(Allowance::Plan));
const RATE: Finding = Is(Cause::RateLimited);
const SAFETY: Finding = Is(Cause::SafetyRejected);
const LOGIN: Finding = Is(Cause::NotSignedIn);
const DEACTIVATED: Finding = Is(Cause::Deactivated);
const BLOCKED: Finding = Is(Cause::BackendError(BackendTrouble::Blocked));
const NO_SUCH_MODEL: Finding = Is(Cause::BackendError(BackendTrouble::NoSuchModel));
const TOO_LONG: Finding = Is(Cause::BackendError(BackendTrouble::TooLong));
const UNREADABLE: Finding = Is(Cause::BackendError(BackendTrouble::UnreadableImage));
const AT_CAPACITY: Finding = Is(Cause::BackendError(BackendTrouble::AtCapacity));
const OVERLOADED: Finding = Is(Cause::BackendError(BackendTrouble::Overloaded));
const FAILED: Finding = Is(Cause::BackendError(BackendTrouble::Failed));
const UNREACHABLE: Finding = Is(Cause::BackendError(BackendTrouble::Unreachable));

/// Rows in order of precedence: the first row with a matching code wins, else the first match.
/// Specific texts come before the statuses, and texts that only report a failure come after them.
/// The [`Cause`] determines the error code, the message and whether a retry may help.
///
/// If a row names no other source, its text is Codex's own (openai/codex,
/// codex-rs/protocol/src/error.rs), or its code is one that Codex parses
/// (codex-rs/codex-api/src/sse/responses.rs and `api_bridge.rs`). Each was found in the binaries of
/// all versions from 0.132.0 to 0.171.0, or from the version named in its row on.
pub(super) static CAUSES: &[(Pattern, Finding)] = &[
    // Allowance of the account.
    (Code("workspace_owner_credits_depleted"), CREDITS),
    (Code("workspace_member_credits_depleted"), CREDITS),
    (Text("Your workspace is out of credits"), CREDITS),
    (Code("workspace_owner_usage_limit_reached"), SPEND_CAP),
    (Code("workspace_member_usage_limit_reached"), SPEND_CAP),
    (Text("You hit your spend cap"), SPEND_CAP), // 0.140.0
    (Code("usage_not_included"), PLAN),
    (Text("To use Codex with your ChatGPT plan, upgrade"), PLAN),
    (Code("insufficient_quota"), QUOTA),
    (Code("credit_balance_exhausted"), QUOTA),          // 0.169.0
    (Code("organization_spend_limit_exceeded"), QUOTA), // 0.169.0
    (Code("project_spend_limit_exceeded"), QUOTA),      // 0.169.0
    (Code("organization_usage_limit_exceeded"), QUOTA), // 0.169.0
    (Text("Quota exceeded. Check"), QUOTA),             // not "Disk quota exceeded"
    (Code("usage_limit_reached"), ROLLING),
    (Text("hit your usage limit"), ROLLING),
    // Text of the backend, passed on by Codex: 0.132.0.
    (Text("usage limit has been reached"), ROLLING),
    // Backend's response to an image call: openai/codex issue 42482 (0.152.1), and OpenAI's API
    // reference.
    (Code("insufficient_balance"), QUOTA),
    (Text("Insufficient balance"), QUOTA),
    (Code("billing_hard_limit_reached"), QUOTA),
    (Text("Billing hard limit has been reached"), QUOTA),
    (Code("billing_not_active"), QUOTA),
    // Safety system. Its responses to image calls were seen with 0.132.0 and 0.169.0.
    (Code("moderation_blocked"), SAFETY),
    (Code("content_policy_violation"), SAFETY), // OpenAI's API reference
    (Text("rejected by the safety system"), SAFETY),
    (Code("cyber_policy"), SAFETY),
    (Text("flagged for possible cybersecurity risk"), SAFETY),
    (Code("bio_policy"), SAFETY),                                        // 0.169.0
    (Text("flagged for possible biological risk"), SAFETY),              // 0.144.6
    (Code("misalignment_policy_violation"), SAFETY),                     // 0.150.1
    (Text("misalignment policy violation"), SAFETY),                     // 0.150.1
    (Text("your prompt was flagged"), SAFETY), // of the backend, with the code `invalid_prompt`
    (Text("limited access to this content for safety reasons"), SAFETY), // the same
    (Text("response returned, reason: content_filter"), SAFETY),
    // Login: codex-rs/login/src/auth/manager.rs. Deactivated account or workspace:
    // openai/codex issue 42655.
    (Code("account_deactivated"), DEACTIVATED),
    (Code("deactivated_workspace"), DEACTIVATED),
    (Text("account has been deactivated"), DEACTIVATED),
    (Text("workspace has been deactivated"), DEACTIVATED),
    (Code("token_expired"), LOGIN),
    (Code("token_invalidated"), LOGIN),
    (Code("token_revoked"), LOGIN),
    (Text("authentication token is expired"), LOGIN),
    (Text("access token could not be refreshed"), LOGIN),
    (Text("Please log out and sign in again"), LOGIN),
    (Text("Failed to refresh token: 400"), LOGIN),
    (Text("No more recovery steps available"), LOGIN),
    (Text("Token data is not available"), LOGIN),
    (Text("workspace routing discovery unauthorized"), LOGIN), // 0.169.0
    // Too many requests, by this account or by all users.
    (Code("server_is_overloaded"), AT_CAPACITY),
    (Text("model is at capacity"), AT_CAPACITY),
    (Code("flex_unavailable"), AT_CAPACITY),                          // 0.169.0
    (Text("Flex capacity unavailable"), AT_CAPACITY),                 // 0.169.0
    (Text("Policy-restricted capacity is unavailable"), AT_CAPACITY), // 0.171.0
    (Code("rate_limit_exceeded"), RATE),
    (Code("slow_down"), RATE),
    (Text("rate limit exceeded"), RATE), // 0.153.4
    (Text("Too Many Requests"), RATE),
    // Text of the backend, passed on by Codex: 0.132.0, and openai/codex issue 26595.
    (Text("Rate limit reached"), RATE),
    (Text("request was rate limited"), RATE),
    // Invalid requests. Texts about models: openai/codex issues 6603 and 26053.
    (Code("model_not_found"), NO_SUCH_MODEL),     // 0.169.0
    (Code("model_not_supported"), NO_SUCH_MODEL), // 0.169.0
    (Code("unsupported_model"), NO_SUCH_MODEL),   // 0.169.0
    (Text("model is not supported when using Codex"), NO_SUCH_MODEL),
    (Text("requires a newer version of Codex"), NO_SUCH_MODEL),
    (Code("context_length_exceeded"), TOO_LONG),
    (Text("ran out of room in the model"), TOO_LONG),
    (Text("Input exceeds the maximum length"), TOO_LONG), // 0.171.0: 1,048,576 characters
    (Text("Image poisoning"), UNREADABLE),
    (Text("Invalid image in your last message"), UNREADABLE), // codex-rs/core/src/session/turn.rs
    (Text("Access blocked by Cloudflare"), BLOCKED),
    // HTTP statuses. In the message the text follows "HTTP 403: ".
    (Status(400..=400), Http("the request is not accepted")),
    (Status(401..=401), LOGIN),
    (Status(402..=402), QUOTA),
    (Status(403..=403), Http("access is denied")),
    (Status(404..=404), Http("there is no such service or model")),
    (Status(408..=408), Http("the request took too long")),
    (Status(413..=413), Http("the request is too large")),
    (Status(425..=425), Http("the request came too early")),
    (Status(429..=429), RATE),
    (Status(400..=499), Http("the request is refused")),
    (Status(500..=599), Http("an error of the server")),
    (Status(0..=u16::MAX), Http("an unexpected answer")),
    // Other failures of the backend.
    (Text("experiencing high demand"), OVERLOADED),
    (Text("Incomplete response returned"), FAILED),
    (Text("retry limit reached"), FAILED),    // codex-rs/codex-client/src/error.rs
    (Text("failed to decode image"), FAILED), // codex-rs/codex-api/src/endpoint/images.rs, 0.140.0
    (Text("(workspace-managed policies)"), FAILED), // Codex fetches them before the turn
    // Text of the backend, passed on by Codex: 0.132.0, and openai/codex issue 41895.
    (Text("server had an error"), FAILED),
    (Text("error occurred while processing your request"), FAILED),
    (Text("servers are currently overloaded"), OVERLOADED),
    // Failures of the connection. Texts of the image call: codex-rs/codex-client/src/error.rs.
    (Text("stream disconnected"), UNREACHABLE),
    (Text("Connection failed: "), UNREACHABLE),
    (Text("Error while reading the server response"), UNREACHABLE),
    (Text("request timed out"), UNREACHABLE),
    (Text("timeout waiting for child process to exit"), UNREACHABLE),
    (Text("workspace routing discovery failed"), UNREACHABLE), // 0.169.0
    (Text("workspace routing discovery timed out"), UNREACHABLE), // 0.169.0
    (Text("image generation failed: timeout"), UNREACHABLE),   // 0.140.0
    (Text("network error"), UNREACHABLE),
    (Text("error sending request"), UNREACHABLE), // reqwest
    // Text of the operating system at the end of such an error.
    (Text("Connection refused"), UNREACHABLE),
    (Text("Connection reset"), UNREACHABLE),
    (Text("Network is unreachable"), UNREACHABLE),
    (Text("failed to lookup address information"), UNREACHABLE),
];
