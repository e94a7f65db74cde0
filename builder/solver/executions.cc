#include "builder/solver/executions.h"

namespace kiln::solver {

void Broadcast::log(int stream, std::string_view text) {
  for (StepListener* listener : listeners_)
    listener->log(stream, text);
  said_.emplace_back(stream, text);
  said_bytes_ += text.size();
  while (said_bytes_ > kReplayBytes) {
    said_bytes_ -= said_.front().second.size();
    said_.pop_front();
  }
}

void Broadcast::progress(std::string_view item,
                         std::uint64_t current_bytes,
                         std::uint64_t total_bytes) {
  for (StepListener* listener : listeners_)
    listener->progress(item, current_bytes, total_bytes);
}

void Broadcast::phase(const PhaseSpan& span) {
  for (StepListener* listener : listeners_)
    listener->phase(span);
}

void Broadcast::explained(const StepExplained& explained) {
  explained_ = explained;
  for (StepListener* listener : listeners_)
    listener->explained(explained);
}

Broadcast::Subscription::Subscription(std::shared_ptr<Broadcast> broadcast, StepListener& listener)
    : broadcast_(std::move(broadcast)),
      place_(broadcast_->listeners_.insert(broadcast_->listeners_.end(), &listener)) {
  if (broadcast_->explained_) listener.explained(*broadcast_->explained_);
  for (const auto& [stream, text] : broadcast_->said_)
    listener.log(stream, text);
}

Broadcast::Subscription::~Subscription() {
  broadcast_->listeners_.erase(place_);
}

Outcome::Outcome(Stack layers, store::LeaseTable& leases)
    : stack(std::move(layers)), lease(leases) {
  for (const store::LayerId layer : stack)
    lease.add(layer);
}

std::shared_ptr<Broadcast> Executions::broadcast(const std::string& key) {
  std::erase_if(broadcasts_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<Broadcast>& known = broadcasts_[key];
  std::shared_ptr<Broadcast> broadcast = known.lock();
  if (!broadcast) known = broadcast = std::make_shared<Broadcast>();
  return broadcast;
}

}  // namespace kiln::solver
