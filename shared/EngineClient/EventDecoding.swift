// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

extension EngineEvent {
    /// `nil` for what is not an event.
    init?(_ json: Data) {
        struct Message: Decodable {
            struct Subject: Decodable {
                var id: String?
                var attributes: [String: String]?

                enum CodingKeys: String, CodingKey {
                    case id = "ID"
                    case attributes = "Attributes"
                }
            }

            var type: String?
            var action: String?
            var subject: Subject?

            enum CodingKeys: String, CodingKey {
                case type = "Type"
                case action = "Action"
                case subject = "Actor"
            }
        }
        guard let message = try? JSONDecoder().decode(Message.self, from: json), let type = message.type,
            let action = message.action, let id = message.subject?.id
        else { return nil }
        self.init(type: type, action: action, id: id, attributes: message.subject?.attributes ?? [:])
    }
}
