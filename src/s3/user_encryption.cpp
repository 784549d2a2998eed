#include "s3/user_encryption.hpp"

namespace forebay {

bool is_encrypted_for_user(const HttpHeaders& headers) {
  return headers.find("x-amz-server-side-encryption").starts_with("aws:kms") ||
         !headers.find("x-amz-server-side-encryption-customer-algorithm").empty();
}

}  // namespace forebay
