// Reads a flattened device tree (Devicetree Specification 0.4, chapter 5), without the code that writes it.

/// A node: its name, properties in order, and children in order.
public struct DeviceTreeNode: Equatable, Sendable {
    /// The name, unit address included.
    public var name: String
    /// Names and values.
    public var properties: [(name: String, value: [UInt8])] = []
    /// The nodes inside.
    public var children: [DeviceTreeNode] = []

    /// A node without contents.
    public init(name: String) { self.name = name }

    /// The value of a property; nil if there is none.
    public subscript(property: String) -> [UInt8]? { properties.first { $0.name == property }?.value }
    /// A property's value as text, without its NUL.
    public func text(_ property: String) -> String? {
        self[property].flatMap { $0.last == 0 ? String(decoding: $0.dropLast(), as: UTF8.self) : nil }
    }
    /// A property's value as 64-bit numbers.
    public func numbers(_ property: String) -> [UInt64]? {
        self[property].map { value in
            stride(from: 0, to: value.count, by: 8).map { value.number(UInt64.self, at: $0).byteSwapped }
        }
    }

    /// Whether both have the same content.
    public static func == (left: DeviceTreeNode, right: DeviceTreeNode) -> Bool {
        left.name == right.name && left.children == right.children
            && left.properties.elementsEqual(right.properties) { $0.name == $1.name && $0.value == $1.value }
    }
}

/// A whole tree.
public struct DeviceTree: Equatable, Sendable {
    /// The memory reservation block.
    public var reservations: [Range<UInt64>] = []
    /// The root.
    public var root = DeviceTreeNode(name: "")
    /// The size in the header.
    public var size = 0

    /// Reads the tree at the beginning of `bytes`; nil if it breaks the specification.
    public init?(_ bytes: [UInt8]) {
        func word(_ offset: Int) -> Int? {
            offset >= 0 && offset + 4 <= bytes.count ? Int(bytes.number(UInt32.self, at: offset).byteSwapped) : nil
        }
        guard bytes.count >= 40, word(0) == 0xd00d_feed, let size = word(4), let structure = word(8),
            let strings = word(12), let map = word(16), word(20) == 17, word(24) == 16, let stringsSize = word(32),
            let structureSize = word(36), size <= bytes.count, structure % 4 == 0, map % 8 == 0, map >= 40,
            structure + structureSize <= size, strings + stringsSize <= size
        else { return nil }
        self.size = size

        var offset = map
        while true {
            guard offset + 16 <= structure else { return nil }
            let start = bytes.number(UInt64.self, at: offset).byteSwapped
            let size = bytes.number(UInt64.self, at: offset + 8).byteSwapped
            offset += 16
            if start == 0, size == 0 { break }
            reservations.append(start..<start + size)
        }

        func string(_ start: Int, _ end: Int) -> String? {
            guard start < end, let length = bytes[start..<end].firstIndex(of: 0) else { return nil }
            return String(decoding: bytes[start..<length], as: UTF8.self)
        }
        let end = structure + structureSize
        var stack: [DeviceTreeNode] = []
        offset = structure
        while let token = word(offset), offset < end {
            offset += 4
            switch token {
            case 1:
                guard let name = string(offset, end) else { return nil }
                offset = (offset + name.utf8.count + 1 + 3) & ~3
                stack.append(DeviceTreeNode(name: name))
            case 2:
                guard let node = stack.popLast() else { return nil }
                if stack.isEmpty { root = node } else { stack[stack.count - 1].children.append(node) }
            case 3:
                guard let length = word(offset), let nameOffset = word(offset + 4), !stack.isEmpty,
                    offset + 8 + length <= end, let name = string(strings + nameOffset, strings + stringsSize)
                else { return nil }
                let value = Array(bytes[offset + 8..<offset + 8 + length])
                // Properties come before subnodes.
                guard stack[stack.count - 1].children.isEmpty else { return nil }
                stack[stack.count - 1].properties.append((name, value))
                offset = (offset + 8 + length + 3) & ~3
            case 4: break
            case 9: if stack.isEmpty, offset == end { return } else { return nil }
            default: return nil
            }
        }
        return nil
    }
}
