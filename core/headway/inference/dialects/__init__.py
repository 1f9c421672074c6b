"""The dialects of services of models, a file each: requests as they are sent, answers as they are read."""
