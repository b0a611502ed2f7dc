"""From raw videos and pictures to face parameters: landmarks, one crop per clip, fit."""
