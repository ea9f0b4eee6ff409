// Failures that the loopback backend can answer with.

/** An HTTP answer, or a connection cut off without one. */
export type Failure = HttpFailure | 'disconnect';

export interface HttpFailure {
  status: number;
  body: { error: ErrorBody } | { detail: string };
  headers?: Record<string, string>;
}

interface ErrorBody {
  type: string | null;
  code?: string | null;
  message: string;
  [extra: string]: unknown;
}

/** The account's allowance is used up for that many seconds. */
export function usageLimit(resetsInSeconds = 3_600): HttpFailure {
  return {
    status: 429,
    body: {
      error: {
        type: 'usage_limit_reached',
        message: 'The usage limit has been reached',
        plan_type: 'plus',
        resets_at: Math.floor(Date.now() / 1000) + resetsInSeconds,
        resets_in_seconds: resetsInSeconds,
      },
    },
  };
}

/** There are too many requests. */
export const rateLimited: HttpFailure = {
  status: 429,
  headers: { 'retry-after': '1' },
  body: {
    error: {
      type: 'requests',
      code: 'rate_limit_exceeded',
      message: 'Rate limit reached for gpt-image on images per min. Please try again in 1s.',
      param: null,
    },
  },
};

/** The safety system refuses the prompt. */
export const moderationBlocked: HttpFailure = {
  status: 400,
  body: {
    error: {
      type: 'image_generation_user_error',
      code: 'moderation_blocked',
      message: 'Your request was rejected by the safety system. safety_violations=[violence].',
      param: null,
    },
  },
};

export const serverError: HttpFailure = {
  status: 500,
  body: {
    error: {
      type: 'server_error',
      code: null,
      message: 'The server had an error while processing your request. Sorry about that!',
      param: null,
    },
  },
};

/** The session is no longer valid. */
export const unauthorized: HttpFailure = {
  status: 401,
  body: {
    error: {
      type: null,
      code: 'token_expired',
      message: 'Provided authentication token is expired. Please try signing in again.',
      param: null,
    },
  },
};

export const notFound: HttpFailure = { status: 404, body: { detail: 'Not Found' } };
