//! What a report of Codex's or of the backend's establishes about a turn without a picture: one
//! table of codes, words and HTTP statuses, with where each was seen.

use std::ops::RangeInclusive;

use crate::error::{Allowance, BackendTrouble, Cause};

use Means::{Http, Is};
use Sign::{Code, Says, Status};

/// What a report is recognised by.
#[derive(Debug)]
pub(super) enum Sign {
    /// The type or the code in the backend's JSON.
    Code(&'static str),
    /// Words anywhere in the report. Neither these nor codes depend on upper and lower case.
    Says(&'static str),
    /// The HTTP status.
    Status(RangeInclusive<u16>),
}

/// What a sign establishes.
#[derive(Debug)]
pub(super) enum Means {
    Is(Cause),
    /// The backend's refusal or failure, with the reason that its status stands for.
    Http(&'static str),
}

const ROLLING: Means = Is(Cause::UsageLimit { resets_in: None });
const CREDITS: Means = Is(Cause::Exhausted(Allowance::Credits));
const SPEND_CAP: Means = Is(Cause::Exhausted(Allowance::SpendCap));
const QUOTA: Means = Is(Cause::Exhausted(Allowance::Quota));
const PLAN: Means = Is(Cause::Exhausted(Allowance::Plan));
const RATE: Means = Is(Cause::RateLimited);
const SAFETY: Means = Is(Cause::SafetyRejected);
const LOGIN: Means = Is(Cause::NotSignedIn);
const DEACTIVATED: Means = Is(Cause::Deactivated);
const BLOCKED: Means = Is(Cause::BackendError(BackendTrouble::Blocked));
const NO_SUCH_MODEL: Means = Is(Cause::BackendError(BackendTrouble::NoSuchModel));
const TOO_LONG: Means = Is(Cause::BackendError(BackendTrouble::TooLong));
const UNREADABLE: Means = Is(Cause::BackendError(BackendTrouble::UnreadableImage));
const AT_CAPACITY: Means = Is(Cause::BackendError(BackendTrouble::AtCapacity));
const OVERLOADED: Means = Is(Cause::BackendError(BackendTrouble::Overloaded));
const FAILED: Means = Is(Cause::BackendError(BackendTrouble::Failed));
const UNREACHABLE: Means = Is(Cause::BackendError(BackendTrouble::Unreachable));

/// What each report establishes: the first row whose code fits counts, else the first that fits.
/// Words that are specific come before the statuses, and words that only say that something failed
/// behind them. The code, the sentence and whether to try again follow from the [`Cause`].
///
/// Where no other source is named, the words are Codex's own (openai/codex,
/// codex-rs/protocol/src/error.rs), the codes are those that it knows
/// (codex-rs/codex-api/src/sse/responses.rs and `api_bridge.rs`), and each was found in the
/// programs of all versions from 0.132.0 to 0.171.0, or from the one behind it on.
pub(super) static CAUSES: [(Sign, Means); ROWS] = [
    // The account's allowance.
    (Code("workspace_owner_credits_depleted"), CREDITS),
    (Code("workspace_member_credits_depleted"), CREDITS),
    (Says("Your workspace is out of credits"), CREDITS),
    (Code("workspace_owner_usage_limit_reached"), SPEND_CAP),
    (Code("workspace_member_usage_limit_reached"), SPEND_CAP),
    (Says("You hit your spend cap"), SPEND_CAP), // 0.140.0
    (Code("usage_not_included"), PLAN),
    (Says("To use Codex with your ChatGPT plan, upgrade"), PLAN),
    (Code("insufficient_quota"), QUOTA),
    (Code("credit_balance_exhausted"), QUOTA),          // 0.169.0
    (Code("organization_spend_limit_exceeded"), QUOTA), // 0.169.0
    (Code("project_spend_limit_exceeded"), QUOTA),      // 0.169.0
    (Code("organization_usage_limit_exceeded"), QUOTA), // 0.169.0
    (Says("Quota exceeded. Check"), QUOTA),             // not "Disk quota exceeded"
    (Code("usage_limit_reached"), ROLLING),
    (Says("hit your usage limit"), ROLLING),
    // What the backend says, repeated by Codex: 0.132.0.
    (Says("usage limit has been reached"), ROLLING),
    // What the backend answers an image call: openai/codex issue 42482 (0.152.1), and OpenAI's API
    // reference.
    (Code("insufficient_balance"), QUOTA),
    (Says("Insufficient balance"), QUOTA),
    (Code("billing_hard_limit_reached"), QUOTA),
    (Says("Billing hard limit has been reached"), QUOTA),
    (Code("billing_not_active"), QUOTA),
    // The safety system. What it says of an image call was seen with 0.132.0 and 0.169.0.
    (Code("moderation_blocked"), SAFETY),
    (Code("content_policy_violation"), SAFETY), // OpenAI's API reference
    (Says("rejected by the safety system"), SAFETY),
    (Code("cyber_policy"), SAFETY),
    (Says("flagged for possible cybersecurity risk"), SAFETY),
    (Code("bio_policy"), SAFETY),                                        // 0.169.0
    (Says("flagged for possible biological risk"), SAFETY),              // 0.144.6
    (Code("misalignment_policy_violation"), SAFETY),                     // 0.150.1
    (Says("misalignment policy violation"), SAFETY),                     // 0.150.1
    (Says("your prompt was flagged"), SAFETY), // the backend's, with the code `invalid_prompt`
    (Says("limited access to this content for safety reasons"), SAFETY), // the same
    (Says("response returned, reason: content_filter"), SAFETY),
    // The login: codex-rs/login/src/auth/manager.rs. A deactivated account or workspace:
    // openai/codex issue 42655.
    (Code("account_deactivated"), DEACTIVATED),
    (Code("deactivated_workspace"), DEACTIVATED),
    (Says("account has been deactivated"), DEACTIVATED),
    (Says("workspace has been deactivated"), DEACTIVATED),
    (Code("token_expired"), LOGIN),
    (Code("token_invalidated"), LOGIN),
    (Code("token_revoked"), LOGIN),
    (Says("authentication token is expired"), LOGIN),
    (Says("access token could not be refreshed"), LOGIN),
    (Says("Please log out and sign in again"), LOGIN),
    (Says("Failed to refresh token: 400"), LOGIN),
    (Says("No more recovery steps available"), LOGIN),
    (Says("Token data is not available"), LOGIN),
    (Says("workspace routing discovery unauthorized"), LOGIN), // 0.169.0
    // Too many requests, of this account or of all.
    (Code("server_is_overloaded"), AT_CAPACITY),
    (Says("model is at capacity"), AT_CAPACITY),
    (Code("flex_unavailable"), AT_CAPACITY),                          // 0.169.0
    (Says("Flex capacity unavailable"), AT_CAPACITY),                 // 0.169.0
    (Says("Policy-restricted capacity is unavailable"), AT_CAPACITY), // 0.171.0
    (Code("rate_limit_exceeded"), RATE),
    (Code("slow_down"), RATE),
    (Says("rate limit exceeded"), RATE), // 0.153.4
    (Says("Too Many Requests"), RATE),
    // What the backend says, repeated by Codex: 0.132.0, and openai/codex issue 26595.
    (Says("Rate limit reached"), RATE),
    (Says("request was rate limited"), RATE),
    // The request itself. What the backend says of models: openai/codex issues 6603 and 26053.
    (Code("model_not_found"), NO_SUCH_MODEL),     // 0.169.0
    (Code("model_not_supported"), NO_SUCH_MODEL), // 0.169.0
    (Code("unsupported_model"), NO_SUCH_MODEL),   // 0.169.0
    (Says("model is not supported when using Codex"), NO_SUCH_MODEL),
    (Says("requires a newer version of Codex"), NO_SUCH_MODEL),
    (Code("context_length_exceeded"), TOO_LONG),
    (Says("ran out of room in the model"), TOO_LONG),
    (Says("Image poisoning"), UNREADABLE),
    (Says("Invalid image in your last message"), UNREADABLE), // codex-rs/core/src/session/turn.rs
    (Says("Access blocked by Cloudflare"), BLOCKED),
    // Statuses, as everywhere. The words follow "HTTP 403: ".
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
    // Whatever else failed over there.
    (Says("experiencing high demand"), OVERLOADED),
    (Says("Incomplete response returned"), FAILED),
    (Says("retry limit reached"), FAILED),    // codex-rs/codex-client/src/error.rs
    (Says("failed to decode image"), FAILED), // codex-rs/codex-api/src/endpoint/images.rs, 0.140.0
    (Says("(workspace-managed policies)"), FAILED), // Codex fetches them before the turn
    // What the backend says, repeated by Codex: 0.132.0, and openai/codex issue 41895.
    (Says("server had an error"), FAILED),
    (Says("error occurred while processing your request"), FAILED),
    (Says("servers are currently overloaded"), OVERLOADED),
    // Whatever failed on the way; the words of the image call are those of
    // codex-rs/codex-client/src/error.rs.
    (Says("stream disconnected"), UNREACHABLE),
    (Says("Connection failed: "), UNREACHABLE),
    (Says("Error while reading the server response"), UNREACHABLE),
    (Says("request timed out"), UNREACHABLE),
    (Says("timeout waiting for child process to exit"), UNREACHABLE),
    (Says("workspace routing discovery failed"), UNREACHABLE), // 0.169.0
    (Says("workspace routing discovery timed out"), UNREACHABLE), // 0.169.0
    (Says("image generation failed: timeout"), UNREACHABLE),   // 0.140.0
    (Says("network error"), UNREACHABLE),
    (Says("error sending request"), UNREACHABLE), // reqwest
    // What the system says at the end of such an error.
    (Says("Connection refused"), UNREACHABLE),
    (Says("Connection reset"), UNREACHABLE),
    (Says("Network is unreachable"), UNREACHABLE),
    (Says("failed to lookup address information"), UNREACHABLE),
];

/// How many rows there are.
const ROWS: usize = 103;
