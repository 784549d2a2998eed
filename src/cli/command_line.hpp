// CommandLine: the verbs, their options, and from both the settings in force.
//
// Each verb's file adds itself with add_verb(), names the settings it takes, and gives a handler. What stands
// behind a lone `--` is the user's command and is never looked at.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "config/effective_settings.hpp"

namespace forebay {

struct Invocation {
  EffectiveSettings settings;
  std::vector<std::string> command;  // behind `--`
};

class CommandLine {
 public:
  // Returns the exit code.
  using Handler = std::function<int(const Invocation&)>;

  CommandLine();

  // `footer`: at least one example. The reference is good for the life of this object.
  CLI::App& add_verb(const std::string& name, const std::string& summary, const std::string& footer,
                     Handler handler);
  // Flags of these names for `verb`.
  void add_settings(CLI::App& verb, std::initializer_list<std::string_view> names);
  // `verb` takes a command behind `--`, and needs one.
  void needs_command(CLI::App& verb);

  // Parses, resolves the settings and runs the verb's handler; returns the process's exit code. Usage errors
  // are one line.
  int run(int argc, char** argv);

 private:
  struct Verb {
    Handler handler;
    std::map<std::string, CLI::Option*, std::less<>> setting_options;
    bool needs_command = false;
  };
  Result<EffectiveSettings> resolve(const Verb& verb) const;

  CLI::App app_;
  std::string config_path_;
  std::map<const CLI::App*, Verb> verbs_;
};

}  // namespace forebay
