#define BOOST_TEST_MODULE receipt
#include "drain/receipt.hpp"

#include <boost/test/unit_test.hpp>

#include "drain/drain_lab.hpp"

using namespace forebay;
namespace fs = std::filesystem;

namespace {

Result<ReceiptTotals> make_receipt(DrainLab& lab, const std::string& directory) {
  return write_receipt(*lab.destination, directory, lab.options.tag,
                       [&](const std::string& path) { return lab.drainer->published_file(path); });
}

void drain_checkpoint(DrainLab& lab) {
  lab.start();
  lab.make_directory("step.tmp");
  lab.make_directory("step.tmp/shards");
  lab.write("step.tmp/shards/0", std::string(100'000, '0'));
  lab.write("step.tmp/shards/1", "one");
  lab.write("step.tmp/b\xff", "no UTF-8");
  lab.write("step.tmp/.metadata", "");
  BOOST_REQUIRE(lab.drained());
  lab.rename("step.tmp", "step");
  BOOST_REQUIRE(lab.drained());
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_directory_agrees_with_its_receipt, DrainLab) {
  drain_checkpoint(*this);
  const auto known = drainer->published_file("step/shards/0");
  BOOST_REQUIRE(known.has_value());
  BOOST_TEST(known->size == 100'000u);
  BOOST_TEST(known->sum == checksum_bytes(std::string(100'000, '0').data(), 100'000));
  const auto made = make_receipt(*this, "step");
  BOOST_REQUIRE(made.ok());
  BOOST_TEST(made->files == 4u);
  BOOST_TEST(made->bytes == 100'011u);
  const auto check = verify_receipt(*destination, "step");
  BOOST_REQUIRE(check.ok());
  BOOST_TEST(check->totals.files == 4u);
  BOOST_TEST(check->differences.empty());
  // A later run, which has published nothing, says the same; names beside it do not matter.
  std::ofstream(home + "/step/other") << "x";
  fs::remove(home + "/step/other");
  const auto again =
      write_receipt(*destination, "step", options.tag, [](const auto&) { return std::nullopt; });
  BOOST_REQUIRE(again.ok());
  BOOST_TEST(again->bytes == 100'011u);
  std::ofstream(home + "/step/other") << "x";
  BOOST_TEST(verify_receipt(*destination, "step")->differences.empty());
}

BOOST_FIXTURE_TEST_CASE(each_difference_is_told, DrainLab) {
  drain_checkpoint(*this);
  BOOST_REQUIRE(make_receipt(*this, "step").ok());
  fs::remove(home + "/step/.metadata");
  std::ofstream(home + "/step/shards/1") << "two";
  std::ofstream(home + "/step/b\xff") << "longer than before";
  fs::remove(home + "/step/shards/0");
  fs::create_directory(home + "/step/shards/0");
  const auto check = verify_receipt(*destination, "step");
  BOOST_REQUIRE(check.ok());
  std::map<std::string, std::string> told;
  for (const auto& difference : check->differences) {
    told[difference.name] = difference.what;
  }
  BOOST_TEST(told.size() == 4u);
  BOOST_TEST(told[".metadata"] == "is missing");
  BOOST_TEST(told["shards/1"].starts_with("has other bytes"));
  BOOST_TEST(told["b\xff"] == "has 18 bytes and not 8");
  BOOST_TEST(told["shards/0"] == "is no file");
}

BOOST_FIXTURE_TEST_CASE(what_is_no_receipt_is_said_to_be_none, DrainLab) {
  fs::create_directory(home + "/d");
  BOOST_TEST((verify_receipt(*destination, "d").error().code == Code::not_found));
  for (const char* text :
       {"", "{", "[]", "{}", R"({"format":"other","files":[]})", R"({"format":"forebay-receipt-1"})",
        R"({"format":"forebay-receipt-1","files":[{"name":"../x","bytes":1,"xxh3":""}]})",
        R"({"format":"forebay-receipt-1","files":[{"name":"","bytes":1,"xxh3":""}]})",
        R"({"format":"forebay-receipt-1","files":[{"name_hex":"6","bytes":1,"xxh3":""}]})",
        R"({"format":"forebay-receipt-1","files":[{"name":"x","bytes":-1.5}]})"}) {
    std::ofstream(home + "/d/forebay-receipt.json", std::ios::trunc) << text;
    const auto check = verify_receipt(*destination, "d");
    BOOST_REQUIRE(!check.ok());
    BOOST_TEST((check.error().code == Code::corrupt), text);
  }
}

BOOST_FIXTURE_TEST_CASE(a_receipt_does_not_keep_its_directory_from_being_removed, DrainLab) {
  drain_checkpoint(*this);
  BOOST_REQUIRE(make_receipt(*this, "step").ok());
  for (const char* path :
       {"step/shards/0", "step/shards/1", "step/b\xff", "step/.metadata", "step/shards", "step"}) {
    remove(path);
  }
  BOOST_REQUIRE(drained());
  BOOST_TEST(!fs::exists(home + "/step"));
}
