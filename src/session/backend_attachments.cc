#include "session/backend_attachments.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <utility>
#include <vector>

#include "base/nearest_name.h"

namespace hyprstream::session {

namespace {

// A library by its path would run as the server, and what opens files opens the server's.
arrow::Status CheckReachesOverANetwork(const backend::BackendSpec& spec) {
  if (spec.driver.contains('/')) {
    return arrow::Status::Invalid("A driver by its path is for users with admin = true; name one that the server has");
  }
  if (spec.driver == "postgresql") return arrow::Status::OK();
  return arrow::Status::Invalid("Driver ", spec.driver,
                                " opens files of the server, which is for users with admin = true");
}

}  // namespace

arrow::Status BackendAttachments::Attach(const backend::BackendSpec& spec) {
  ARROW_ASSIGN_OR_RAISE(auto attached, registry_.Attach(spec));
  auto named = engine_.AddBackend(std::move(attached));
  if (!named.ok()) ARROW_UNUSED(registry_.Detach(spec.name));
  return named;
}

// First nobody new can name it, then those who read it are told.
arrow::Status BackendAttachments::Detach(const std::string& name) {
  ARROW_RETURN_NOT_OK(engine_.RemoveBackend(name));
  return registry_.Detach(name);
}

arrow::Status BackendAttachments::CheckRight(const Identity& identity, const std::string& what) const {
  if (identity.admin || by_everyone_) return arrow::Status::OK();
  return arrow::Status::Invalid(what, " is not allowed here: it is for users with admin = true, or for everybody when ",
                                "the operator sets client_attach");
}

arrow::Status BackendAttachments::NoSuch(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& known : registry_.Backends()) names.push_back(known.name);
  return arrow::Status::KeyError("Unknown backend: ", name, DidYouMean(name, names));
}

arrow::Status BackendAttachments::Run(const Identity& identity, const engine::Statement& statement) {
  if (const auto* detach = statement.detach_backend()) {
    ARROW_RETURN_NOT_OK(CheckRight(identity, "DETACH"));
    const auto detached = Detach(detach->name);
    return detached.IsKeyError() && detach->if_exists ? arrow::Status::OK() : detached;
  }
  if (const auto* refresh = statement.refresh_backend()) {
    const auto backend = registry_.Find(refresh->name);
    if (backend == nullptr) return NoSuch(refresh->name);
    backend->ForgetCatalog();
    return arrow::Status::OK();
  }
  const auto& attach = *statement.attach_backend();
  ARROW_RETURN_NOT_OK(CheckRight(identity, "ATTACH"));
  if (attach.if_not_exists && registry_.Find(attach.name) != nullptr) return arrow::Status::OK();
  std::vector<backend::NamedOption> options;
  for (const auto& option : attach.options) {
    options.push_back({.name = option.name, .quoted = option.quoted, .value = option.value});
  }
  ARROW_ASSIGN_OR_RAISE(const auto spec, backend::MakeSpec(attach.name, attach.uri, options));
  if (!identity.admin) ARROW_RETURN_NOT_OK(CheckReachesOverANetwork(spec));
  return Attach(spec);
}

}  // namespace hyprstream::session
