// The picker of a new project.

import { useState } from 'react';

// @edit import
import { findProvider, type MediaModel } from '../media/models';

export function supportedModels(
  surface: 'image' | 'video' | 'audio',
  models: MediaModel[],
): MediaModel[] {
  const supportedProviders: Record<'image' | 'video' | 'audio', Set<string>> = {
    image: new Set(['vela', 'openai']),
    video: new Set(['hyperframes']),
    audio: new Set(['openai']),
  };
  // @edit supported
  return models.filter((model) => {
    const provider = findProvider(model.provider);
    return provider?.integrated === true && supportedProviders[surface].has(model.provider);
  });
}

interface Group {
  providerId: string;
  providerLabel: string;
  models: MediaModel[];
}

export function MediaModelCards({ groups }: { groups: Group[] }) {
  const [open, setOpen] = useState(false);
  // @edit hook
  if (!open) return <button onClick={() => setOpen(true)} />;
  return (
    <div className="ds-picker-list">
      {groups.map((group) => (
        <div className="ds-picker-group" key={group.providerId}>
          <div className="ds-picker-group-head">
            <span>{group.providerLabel}</span>
          </div>
          {/* @edit problem */}
          {group.models.map((model) => (
            <button key={model.id}>{model.label}</button>
          ))}
        </div>
      ))}
    </div>
  );
}
