//! One node, request by request.
