"""Google's protobuf at the other end of the differential tests.

peer.py emit SEED COUNT OUT   writes COUNT random messages as `<type> <hex> <text>` lines
peer.py check IN OUT          reads `<type> <hex>` lines and answers each with `<hex> <text>`, or `error`
"""

import random
import sys

from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import DecodeError

import schema

SIGNED = {
    Field.TYPE_INT32: 32,
    Field.TYPE_SINT32: 32,
    Field.TYPE_SFIXED32: 32,
    Field.TYPE_ENUM: 32,
    Field.TYPE_INT64: 64,
    Field.TYPE_SINT64: 64,
    Field.TYPE_SFIXED64: 64,
}
UNSIGNED = {Field.TYPE_UINT32: 32, Field.TYPE_FIXED32: 32, Field.TYPE_UINT64: 64, Field.TYPE_FIXED64: 64}


def integer(rng, low, high):
    """Small numbers, the ends of the range and anything between, each often enough."""
    pick = rng.random()
    if pick < 0.1:
        return rng.choice([low, high, 0, max(low, -1)])
    bits = rng.randrange(1, high.bit_length() + 1)
    value = rng.getrandbits(bits)
    return -value - 1 if low < 0 and pick < 0.4 else value


def characters(rng):
    alphabet = ["a", "Z", "0", "/", "\x00", "é", "ж", "漢", "😀", "\u2028"]
    return "".join(rng.choice(alphabet) for _ in range(rng.choice([0, 1, 5, 40, 200])))


def scalar(rng, field):
    if field.type in SIGNED:
        half = 1 << (SIGNED[field.type] - 1)
        return integer(rng, -half, half - 1)
    if field.type in UNSIGNED:
        return integer(rng, 0, (1 << UNSIGNED[field.type]) - 1)
    if field.type == Field.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type == Field.TYPE_STRING:
        return characters(rng)
    if field.type == Field.TYPE_BYTES:
        return rng.randbytes(rng.choice([0, 1, 9, 130]))
    return rng.choice([0.0, -0.0, 1.5, -2.25, float("inf"), rng.uniform(-1000, 1000)])


def fill(rng, message, depth=0):
    for field in message.DESCRIPTOR.fields:
        if rng.random() < 0.4:
            continue
        nested = field.message_type is not None
        if nested and not schema.is_map(field) and depth > 2:
            continue
        value = getattr(message, field.name)
        count = rng.choice([1, 2, 5]) if depth == 0 else 1
        if schema.is_map(field):
            for number in rng.sample(range(50), count):
                key = rng.choice(["", "a", "grpc.health.v1.Health", "key"]) + str(number or "")
                if field.message_type.fields_by_name["value"].message_type is None:
                    value[key] = characters(rng)
                else:
                    fill(rng, value[key], depth + 1)
        elif schema.is_repeated(field):
            for _ in range(count):
                if nested:
                    fill(rng, value.add(), depth + 1)
                else:
                    value.append(scalar(rng, field))
        elif nested:
            value.SetInParent()
            fill(rng, value, depth + 1)
        else:
            setattr(message, field.name, scalar(rng, field))


def emit(classes, seed, count, out):
    rng = random.Random(seed)
    for index in range(count):
        name = schema.NAMES[index % len(schema.NAMES)]
        message = classes[name]()
        fill(rng, message)
        out.write(f"{name} {schema.serialize(message).hex()} {schema.text(message)}\n")


def check(classes, lines, out):
    for line in lines:
        name, _, hexadecimal = line.rstrip("\n").partition(" ")
        try:
            message = classes[name].FromString(bytes.fromhex(hexadecimal))
        except (DecodeError, UnicodeDecodeError):
            out.write("error\n")
            continue
        message.DiscardUnknownFields()
        out.write(f"{schema.serialize(message).hex()} {schema.text(message)}\n")


def main(arguments):
    classes = schema.load()
    if arguments[0] == "emit":
        with open(arguments[3], "w") as out:
            emit(classes, int(arguments[1]), int(arguments[2]), out)
    else:
        with open(arguments[1]) as lines, open(arguments[2], "w") as out:
            check(classes, lines, out)


if __name__ == "__main__":
    main(sys.argv[1:])
