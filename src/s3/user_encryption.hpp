// Whether a store encrypts an object with a key of its user's, by the headers of an answer about it.
//
// Of such an object the ETag is not the MD5 of its bytes, whatever it looks like.
#pragma once

#include "web/http_message.hpp"

namespace forebay {

[[nodiscard]] bool is_encrypted_for_user(const HttpHeaders& headers);

}  // namespace forebay
