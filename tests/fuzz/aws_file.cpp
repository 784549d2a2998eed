// Credentials and config files of AWS, and what services of credentials answer: understood, or refused
// without their words.
#include "fuzz/fuzz_target.hpp"
#include "s3/aws_profile.hpp"
#include "s3/credential_chain.hpp"

namespace forebay::fuzz {

std::vector<std::string> seeds() {
  return {"[default]\naws_access_key_id = A\naws_secret_access_key=B=\n",
          "# c\n[profile x]\nregion = r\ns3 =\n  style = path\n[y]\nz=1\n",
          R"({"AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2030-01-01T00:00:00Z"})"};
}

bool run(std::string_view input) {
  const auto answered = parse_metadata_credentials(input);
  FOREBAY_CHECK(!answered.ok() || !answered->secret_access_key.empty());
  bool is_good = answered.ok();
  for (const bool is_config : {false, true}) {
    const auto sections = parse_aws_file(input, is_config);
    if (!sections.ok()) {
      FOREBAY_CHECK(sections.error().code == Code::bad_argument);
      FOREBAY_CHECK(sections.error().text.size() < 100);
      continue;
    }
    is_good = true;
    for (const auto& [name, section] : *sections) {
      FOREBAY_CHECK(!name.empty());
      for (const auto& [setting, value] : section) {
        FOREBAY_CHECK(value.find('\n') == std::string::npos && setting.find('=') == std::string::npos);
      }
    }
  }
  return is_good;
}

}  // namespace forebay::fuzz
